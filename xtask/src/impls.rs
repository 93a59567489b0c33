//! The inherent `impl` blocks of a type stand together: they are in the file that declares it, or, with that file, in the
//! folder that is named after it and in none below. A reader who knows the type's name knows where to look.
//!
//! What others do with a type are functions in their own files. Traits may be implemented anywhere.

use crate::sources::Crate;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::{Item, ItemImpl, Type};

/// Each type of a crate whose inherent `impl` blocks do not stand together, with the files that have one.
fn scattered(of: &Crate) -> Vec<String> {
    let mut places: BTreeMap<(usize, String), BTreeSet<usize>> = BTreeMap::new();
    for (module, items) in &of.items {
        for item in items {
            let Item::Impl(ItemImpl { trait_: None, self_ty, .. }) = item else { continue };
            let Type::Path(path) = &**self_ty else { continue };
            let path: Vec<String> =
                path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if let Some(found) = of.find(*module, &path)
                && let Some(name) = found.item
            {
                places.entry((found.module, name)).or_default().insert(of.file(*module));
            }
        }
    }
    let mut scattered = Vec::new();
    for ((module, name), files) in places {
        let declared = of.files[of.file(module)].as_path();
        let files: Vec<&Path> = files.into_iter().map(|file| of.files[file].as_path()).collect();
        let folder = declared.parent();
        let is_named =
            folder.and_then(Path::file_name).is_some_and(|folder| folder.to_str() == Some(&snake(&name)));
        let together = files == [declared] || is_named && files.iter().all(|file| file.parent() == folder);
        if !together {
            let files: Vec<String> = files.iter().map(|file| format!("  {}", file.display())).collect();
            scattered.push(format!("{name} of {}:\n{}", declared.display(), files.join("\n")));
        }
    }
    scattered
}

/// The name of a type as files are named: `ErrorOfStore` is `error_of_store`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use std::fs;

    #[test]
    fn what_a_type_can_do_stands_together() {
        let workspace = host::workspace().unwrap();
        for root in Crate::roots(&workspace).unwrap() {
            let scattered = scattered(&Crate::read(&root));
            assert!(
                scattered.is_empty(),
                "inherent impls outside of their type's file or folder:\n{}",
                scattered.join("\n")
            );
        }
    }

    #[test]
    fn impls_stand_with_their_type_or_in_its_folder() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let found = |root: &str| scattered(&Crate::read(&directory.path().join(root))).len();
        write("together/lib.rs", "mod a; mod b; struct Top; impl Top {}");
        write("together/a.rs", "pub struct OneMore; impl OneMore { fn f() {} } impl OneMore {}");
        write(
            "together/b.rs",
            "use crate::a::OneMore; impl Clone for OneMore {} #[cfg(test)] impl OneMore {}",
        );
        assert_eq!(found("together/lib.rs"), 0, "a trait may be implemented anywhere");
        write("sibling/lib.rs", "mod a; mod b; pub use a::OneMore;");
        write("sibling/a.rs", "pub struct OneMore; impl OneMore {}");
        write("sibling/b.rs", "use crate::OneMore as Other; impl Other {}");
        assert_eq!(found("sibling/lib.rs"), 1, "also by another name");
        write("folder/lib.rs", "mod one_more;");
        write("folder/one_more/mod.rs", "mod b; pub struct OneMore; impl OneMore {}");
        write("folder/one_more/b.rs", "impl super::OneMore {}");
        assert_eq!(found("folder/lib.rs"), 0, "a type may have a folder");
        write("parent/lib.rs", "mod one_more;");
        write("parent/one_more.rs", "mod b; pub struct OneMore; impl OneMore {}");
        write("parent/one_more/b.rs", "impl super::OneMore {}");
        assert_eq!(found("parent/lib.rs"), 1, "and not a folder and its parent");
        write("below/lib.rs", "mod one_more;");
        write("below/one_more/mod.rs", "mod b; pub struct OneMore;");
        write("below/one_more/b/mod.rs", "mod c; pub struct Two<T>(T);");
        write("below/one_more/b/c.rs", "use super::super::OneMore; impl OneMore {} impl<T> super::Two<T> {}");
        assert_eq!(found("below/lib.rs"), 2, "nor a folder below, nor one of another name");
    }
}
