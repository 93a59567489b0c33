//! Builds the crate again when a scenario comes, goes or changes: they are built in.

fn main() {
    println!("cargo::rerun-if-changed=scenarios");
}
