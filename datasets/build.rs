//! Builds the crate again when a scenario or an agent comes, goes or changes: they are built in.

fn main() {
    println!("cargo::rerun-if-changed=scenarios");
    println!("cargo::rerun-if-changed=agents");
}
