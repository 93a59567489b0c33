//! Lists the files of `known/`, so that one more file is one more agent.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=known");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let known = here.join("known");
    let entries = fs::read_dir(&known).unwrap_or_else(|error| panic!("{}: {error}", known.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    let named = files.iter().map(|file| {
        let name = file.file_stem().unwrap_or_default();
        format!("({:?}, include_str!({file:?})),\n", name.display().to_string())
    });
    let list = format!("&[\n{}]", named.collect::<String>());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write")).join("known.rs");
    fs::write(&out, list).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}
