//! No file of a crate leans on one that leans on it.
//!
//! File A leans on file B when code of A names what is defined in B, in a `use` or in a path, however it is re-exported on the
//! way. A `super::` to the file above is such a name. What only hands names on, a `mod` or a `pub use`, leans on nothing,
//! and neither do tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, Macro, UseTree, Visibility};

/// Re-exports that are followed for one name.
const STEPS: usize = 16;

/// The files of a crate, and which leans on which.
#[derive(Default)]
pub struct Crate {
    files: Vec<PathBuf>,
    modules: Vec<Module>,
    /// From file to file, by which name.
    edges: BTreeMap<(usize, usize), String>,
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
        let sources = found.enter(root, &below, 0);
        for (module, items) in &sources {
            found.lean(*module, items);
        }
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

    /// Notes on which files the code of a module leans.
    fn lean(&mut self, module: usize, items: &[Item]) {
        let mut names = Names::default();
        items.iter().for_each(|item| names.visit_item(item));
        let from = self.modules[module].file;
        for path in names.0 {
            if let Some(to) = self.file_of(module, &path, STEPS)
                && to != from
            {
                self.edges.entry((from, to)).or_insert_with(|| path.join("::"));
            }
        }
    }

    /// The file that defines what a path names from a module; `None` where that is another crate's.
    fn file_of(&self, module: usize, path: &[String], steps: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        let steps = steps.checked_sub(1)?;
        let here = &self.modules[module];
        let go = |module: usize| match rest {
            [] => Some(self.modules[module].file),
            [all] if all == "*" => Some(self.modules[module].file),
            rest => self.file_of(module, rest, steps),
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
            return Some(here.file);
        }
        let brought = |(name, to): &(String, Vec<String>)| {
            let to: Vec<String> = match name.as_str() {
                name if name == first => to.iter().chain(rest).cloned().collect(),
                "*" => to.iter().filter(|part| *part != "*").chain(path).cloned().collect(),
                _ => return None,
            };
            // `use name` and `use name::item` of another crate stand for themselves.
            (to != path).then(|| self.file_of(module, &to, steps)).flatten()
        };
        here.uses.iter().find_map(brought)
    }

    /// Each set of files that lean on one another, with the names by which they do.
    pub fn circles(&self) -> Vec<String> {
        let reached: Vec<BTreeSet<usize>> = (0..self.files.len()).map(|file| self.reached(file)).collect();
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for file in 0..self.files.len() {
            let circle: Vec<usize> =
                reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect();
            if circle.len() < 2 || !told.insert(circle.clone()) {
                continue;
            }
            let inside = |(from, to): &(usize, usize)| circle.contains(from) && circle.contains(to);
            let lines = self.edges.iter().filter(|(edge, _)| inside(edge)).map(|((from, to), name)| {
                format!("  {} -> {} ({name})", self.files[*from].display(), self.files[*to].display())
            });
            circles.push(lines.collect::<Vec<_>>().join("\n"));
        }
        circles
    }

    fn reached(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut left = vec![from];
        while let Some(file) = left.pop() {
            for &(_, to) in self.edges.keys().filter(|(from, _)| *from == file) {
                if reached.insert(to) {
                    left.push(to);
                }
            }
        }
        reached
    }
}

/// Every path that code names.
#[derive(Default)]
struct Names(Vec<Vec<String>>);

impl<'a> Visit<'a> for Names {
    fn visit_item(&mut self, item: &'a Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if matches!(item.vis, Visibility::Inherited) {
            let mut uses = Vec::new();
            leaves(&item.tree, &mut Vec::new(), &mut uses);
            self.0.extend(uses.into_iter().map(|(_, path)| path));
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }
}

impl Names {
    /// Paths in what is handed to a macro, which is no syntax yet.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.end(&mut path),
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.0.push(path);
        }
    }
}

/// The names that a `use` brings in, and what each stands for.
fn leaves(tree: &UseTree, before: &mut Vec<String>, out: &mut Vec<(String, Vec<String>)>) {
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
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    /// Crates that a circle is looked for in: every one of the workspace, and the kernel's.
    fn roots(workspace: &Path) -> Vec<PathBuf> {
        let folders = fs::read_dir(workspace).unwrap().flatten().map(|entry| entry.path());
        let folders = folders.chain([workspace.join("ebpf/abi"), workspace.join("bench/floor")]);
        let roots =
            folders.flat_map(|folder| ["src/lib.rs", "src/main.rs", "lib.rs"].map(|file| folder.join(file)));
        roots.filter(|root| root.is_file()).collect()
    }

    #[test]
    fn no_file_leans_on_one_that_leans_on_it() {
        let workspace = host::workspace().unwrap();
        let roots = roots(&workspace);
        assert!(roots.len() > 15, "{roots:?}");
        for root in roots {
            let circles = Crate::read(&root).circles();
            let folder = root.strip_prefix(&workspace).unwrap();
            assert!(circles.is_empty(), "circles in {}:\n{}", folder.display(), circles.join("\n\n"));
        }
    }

    #[test]
    fn a_circle_is_found_behind_re_exports_and_in_macros() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("lib.rs", "mod a; mod b; pub use a::One; pub use b::Two;");
        write("a.rs", "pub struct One; fn f() { println!(\"{:?}\", crate::Two); }");
        write("b.rs", "#[derive(Debug)] pub struct Two; #[cfg(test)] mod tests { use crate::One; }");
        let read = || Crate::read(&directory.path().join("lib.rs")).circles().len();
        assert_eq!(read(), 0, "a test leans on nothing");
        write("b.rs", "use crate::One as Other; #[derive(Debug)] pub struct Two;");
        assert_eq!(read(), 1);
        write("b.rs", "mod c; pub struct Two; pub const N: u8 = 1;");
        fs::create_dir(directory.path().join("b")).unwrap();
        write("b/c.rs", "use super::Two;");
        assert_eq!(read(), 0, "a child may lean on its parent");
        write("b.rs", "mod c; pub struct Two; fn f() { c::g() }");
        write("b/c.rs", "use super::Two; pub fn g() {}");
        assert_eq!(read(), 1, "and not both on each other");
    }
}
