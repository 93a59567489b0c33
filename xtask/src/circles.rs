//! No file of a crate leans on one that leans on it.
//!
//! File A leans on file B when code of A names what is defined in B, in a `use` or in a path, however it is re-exported on the
//! way. A `super::` to the file above is such a name. What only hands names on, a `mod` or a `pub use`, leans on nothing,
//! and neither do tests.

use crate::sources::{Crate, attributes, is_test, leaves};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Item, ItemUse, Macro, Visibility};

/// From file to file, by which name the first leans on the second.
type Edges = BTreeMap<(usize, usize), String>;

/// Which file of a crate leans on which.
fn edges(of: &Crate) -> Edges {
    let mut edges = Edges::new();
    for (module, items) in &of.items {
        let mut names = Names::default();
        items.iter().for_each(|item| names.visit_item(item));
        let from = of.file(*module);
        for path in names.0 {
            if let Some(found) = of.find(*module, &path)
                && of.file(found.module) != from
            {
                edges.entry((from, of.file(found.module))).or_insert_with(|| path.join("::"));
            }
        }
    }
    edges
}

/// Each set of files that lean on one another, with the names by which they do.
fn circles(of: &Crate) -> Vec<String> {
    let edges = edges(of);
    let reached: Vec<BTreeSet<usize>> = (0..of.files.len()).map(|file| reached(&edges, file)).collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for file in 0..of.files.len() {
        let circle: Vec<usize> =
            reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect();
        if circle.len() < 2 || !told.insert(circle.clone()) {
            continue;
        }
        let inside = |(from, to): &(usize, usize)| circle.contains(from) && circle.contains(to);
        let lines = edges.iter().filter(|(edge, _)| inside(edge)).map(|((from, to), name)| {
            format!("  {} -> {} ({name})", of.files[*from].display(), of.files[*to].display())
        });
        circles.push(lines.collect::<Vec<_>>().join("\n"));
    }
    circles
}

fn reached(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left = vec![from];
    while let Some(file) = left.pop() {
        for &(_, to) in edges.keys().filter(|(from, _)| *from == file) {
            if reached.insert(to) {
                left.push(to);
            }
        }
    }
    reached
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use std::fs;

    #[test]
    fn no_file_leans_on_one_that_leans_on_it() {
        let workspace = host::workspace().unwrap();
        let roots = Crate::roots(&workspace);
        assert!(roots.len() > 15, "{roots:?}");
        for root in roots {
            let circles = circles(&Crate::read(&root));
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
        let read = || circles(&Crate::read(&directory.path().join("lib.rs"))).len();
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
