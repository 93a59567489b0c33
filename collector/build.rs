//! Compresses the prebuilt kernel programs, which are built in.

use miniz_oxide::deflate::compress_to_vec;
use std::path::PathBuf;
use std::{env, fs};

/// The best that it can do: half a second, once.
const LEVEL: u8 = 10;

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let object = here.join("../ebpf/prebuilt/wardline.bpf.o");
    println!("cargo::rerun-if-changed={}", object.display());
    let bytes = fs::read(&object).unwrap_or_else(|error| panic!("{}: {error}", object.display()));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    let out = out.join("wardline.bpf.o.deflate");
    fs::write(&out, compress_to_vec(&bytes, LEVEL))
        .unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}
