//! Tells the crate where libtorch is, its version, and which commit it is built from.

use std::path::Path;
use std::process::Command;

fn main() {
    // Binaries and tests find libtorch at run time: the path that it is linked from is not inherited.
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_default();
    if !libtorch.is_empty() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
        if Path::new(&libtorch).join("lib/libtorch_cuda.so").exists() {
            keep_cuda(&libtorch);
        }
        println!("cargo:rerun-if-changed={libtorch}/build-version");
    }
    let version = std::fs::read_to_string(format!("{libtorch}/build-version")).unwrap_or_default();
    let version = if version.trim().is_empty() { "of an unknown version" } else { version.trim() };
    println!("cargo:rustc-env=LIBTORCH_VERSION={version}");

    // Every model records the commit that trained it. An image is built without .git and passes it.
    println!("cargo:rerun-if-env-changed=SOURCE_COMMIT");
    println!("cargo:rerun-if-changed=../../.git/logs/HEAD");
    if let Some(commit) = std::env::var("SOURCE_COMMIT").ok().or_else(head) {
        println!("cargo:rustc-env=SOURCE_COMMIT={commit}");
    }
}

/// Links libtorch's CUDA part. It registers itself when it is loaded and nothing calls it by name, so the linker would
/// leave it out. What it needs lies in other folders, which only the loader knows.
fn keep_cuda(libtorch: &str) {
    let libraries = ["-Wl,--no-as-needed", "-ltorch_cuda", "-lc10_cuda", "-Wl,--as-needed"];
    println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    println!("cargo:rustc-link-arg=-L{libtorch}/lib");
    libraries.iter().for_each(|argument| println!("cargo:rustc-link-arg={argument}"));
}

/// The commit that is checked out, where there is one.
fn head() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(commit)
}
