//! Links the shipped program without functions that stand twice.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The linker that comes with the compiler knows the option. With one that somebody chose, the program is a little larger.
    let is_chosen = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    let is_shipped = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_shipped && !is_chosen {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
