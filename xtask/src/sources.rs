//! The sources of a crate: its files and modules, what they declare, and where a name leads.
//!
//! What tests about all of the code read; what is there for tests alone is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, UseTree};

/// Re-exports that are followed for one name.
const STEPS: usize = 16;

/// The files of a crate, and its modules.
#[derive(Default)]
pub struct Crate {
    /// Its files.
    pub files: Vec<PathBuf>,
    /// The items of each module, by the module's number.
    pub items: Vec<(usize, Vec<Item>)>,
    modules: Vec<Module>,
}

#[derive(Default)]
struct Module {
    file: usize,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// Names that are brought in, and what they stand for; `*` for everything there.
    uses: Vec<(String, Vec<String>)>,
}

impl Crate {
    /// Reads a crate from its first file on.
    pub fn read(root: &Path) -> Crate {
        let mut found = Crate::default();
        let below = root.parent().unwrap_or(Path::new(".")).to_owned();
        found.items = found.enter(root, &below, 0);
        found
    }

    /// Reads a file and those below it; its items and theirs by module.
    fn enter(&mut self, path: &Path, below: &Path, parent: usize) -> Vec<(usize, Vec<Item>)> {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.files.push(path.to_owned());
        self.module(self.files.len() - 1, file.items, below, parent).1
    }

    fn module(
        &mut self,
        file: usize,
        items: Vec<Item>,
        below: &Path,
        parent: usize,
    ) -> (usize, Vec<(usize, Vec<Item>)>) {
        let this = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        let mut kept = Vec::new();
        let mut sources = Vec::new();
        for item in items {
            if is_test(attributes(&item)) {
                continue;
            }
            let Item::Mod(module) = item else {
                self.declare(this, &item);
                kept.push(item);
                continue;
            };
            let name = module.ident.to_string();
            let further = below.join(&name);
            let child = self.modules.len();
            match module.content {
                Some((_, items)) => sources.extend(self.module(file, items, &further, this).1),
                None => {
                    let beside = below.join(format!("{name}.rs"));
                    let path = if beside.is_file() { beside } else { further.join("mod.rs") };
                    sources.extend(self.enter(&path, &further, this));
                }
            }
            self.modules[this].children.insert(name, child);
        }
        sources.push((this, kept));
        (this, sources)
    }

    /// Notes what an item calls into being, or brings in.
    fn declare(&mut self, module: usize, item: &Item) {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => return,
            },
            Item::Use(item) => {
                let mut uses = Vec::new();
                leaves(&item.tree, &mut Vec::new(), &mut uses);
                return self.modules[module].uses.extend(uses);
            }
            _ => return,
        };
        self.modules[module].items.insert(name.to_string());
    }

    /// Every crate of the workspace, and the kernel's, by its first file.
    pub fn roots(workspace: &Path) -> Vec<PathBuf> {
        let folders = fs::read_dir(workspace).into_iter().flatten().flatten().map(|entry| entry.path());
        let folders = folders.chain([workspace.join("ebpf/abi"), workspace.join("bench/floor")]);
        let roots =
            folders.flat_map(|folder| ["src/lib.rs", "src/main.rs", "lib.rs"].map(|file| folder.join(file)));
        roots.filter(|root| root.is_file()).collect()
    }

    /// The file of a module, by its number.
    pub fn file(&self, module: usize) -> usize {
        self.modules[module].file
    }

    /// What a path names from a module; `None` where that is another crate's.
    pub fn find(&self, module: usize, path: &[String]) -> Option<Found> {
        self.follow(module, path, STEPS)
    }

    fn follow(&self, module: usize, path: &[String], steps: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let steps = steps.checked_sub(1)?;
        let here = &self.modules[module];
        let go = |module: usize| match rest {
            [] => Some(Found { module, item: None }),
            [all] if all == "*" => Some(Found { module, item: None }),
            rest => self.follow(module, rest, steps),
        };
        match first.as_str() {
            "crate" => return go(0),
            "self" => return go(module),
            "super" => return go(here.parent),
            _ => {}
        }
        if let Some(child) = here.children.get(first) {
            return go(*child);
        }
        if here.items.contains(first) {
            return Some(Found { module, item: Some(first.clone()) });
        }
        let brought = |(name, to): &(String, Vec<String>)| {
            let to: Vec<String> = match name.as_str() {
                name if name == first => to.iter().chain(rest).cloned().collect(),
                "*" => to.iter().filter(|part| *part != "*").chain(path).cloned().collect(),
                _ => return None,
            };
            // `use name` and `use name::item` of another crate stand for themselves.
            (to != path).then(|| self.follow(module, &to, steps)).flatten()
        };
        here.uses.iter().find_map(brought)
    }
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The module that it is in, or is.
    pub module: usize,
    /// The item; `None`: the module itself.
    pub item: Option<String>,
}

/// The names that a `use` brings in, and what each stands for.
pub fn leaves(tree: &UseTree, before: &mut Vec<String>, out: &mut Vec<(String, Vec<String>)>) {
    let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves(&path.tree, before, out);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            out.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        UseTree::Name(name) => out.push((name.ident.to_string(), with(name.ident.to_string()))),
        UseTree::Rename(name) => {
            let path = if name.ident == "self" { before.clone() } else { with(name.ident.to_string()) };
            out.push((name.rename.to_string(), path));
        }
        UseTree::Glob(_) => out.push(("*".to_owned(), with("*".to_owned()))),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, out)),
    }
}

/// Whether an item is there for tests alone.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
