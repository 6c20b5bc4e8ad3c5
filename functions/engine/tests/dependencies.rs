//! The engine and the kernels reach no network: no AWS SDK and no HTTP client is among their dependencies, whether
//! they are built, tested or used.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::process::Command;

/// Crates whose names begin like this are those of the AWS SDK and of HTTP clients.
const FORBIDDEN: [&str; 3] = ["aws", "hyper", "reqwest"];

/// Names of all crates that `package` depends on, those of its tests included.
fn dependencies(package: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", package])
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn neither_depends_on_a_network() {
    for (package, expected) in [("engine", "ort"), ("kernels", "memmap2")] {
        let dependencies = dependencies(package);
        assert!(dependencies.iter().any(|name| name == expected), "{package}: {dependencies:?}");
        let found: Vec<_> = dependencies
            .iter()
            .filter(|name| FORBIDDEN.iter().any(|forbidden| name.contains(forbidden)))
            .collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
}
