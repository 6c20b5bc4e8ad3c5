//! Programs under limits: a small disk, or no permission.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Mounts a small disk on `$1` of `$2` KiB, runs the rest, and keeps what is on the disk in `$3`,
/// since the disk goes with the process.
const ON_SMALL_DISK: &str = r#"
    disk=$1 size=$2 kept=$3; shift 3
    mount -t tmpfs -o "size=${size}k" none "$disk" || exit 99
    "$@"; status=$?
    cp -r "$disk/." "$kept"
    exit $status"#;

/// Runs a command on a machine whose folder `disk` is a disk with so little room; what is on it in
/// the end is copied to the folder `kept`.
///
/// # Panics
/// If no disk can be mounted, not even in a user namespace: then the test has tested nothing.
pub fn on_small_disk(command: &Command, disk: &Path, kibibytes: u32, kept: &Path) -> Output {
    let mut unshare = Command::new("unshare");
    unshare.args([namespaces(), "--", "sh", "-c", ON_SMALL_DISK, "sh"]);
    unshare.arg(disk).arg(kibibytes.to_string()).arg(kept);
    wrapped(unshare, command)
}

/// The namespaces in which a disk can be mounted here.
fn namespaces() -> &'static str {
    static NAMESPACES: OnceLock<&str> = OnceLock::new();
    NAMESPACES.get_or_init(|| {
        let mut refusals = String::new();
        for namespaces in ["-m", "-rm"] {
            let mount = ["mount", "-t", "tmpfs", "none", "/tmp"];
            let output = Command::new("unshare").arg(namespaces).args(mount).output().unwrap();
            if output.status.success() {
                return namespaces;
            }
            refusals += &String::from_utf8_lossy(&output.stderr);
        }
        panic!("a full disk needs a small one to be mounted: run this as root or allow user namespaces\n{refusals}")
    })
}

/// Runs a command that heeds the modes of files, which root does not unless it gives that up.
pub fn heeding_modes(command: &Command) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    let mut wrapper = Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        wrapper.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    wrapped(wrapper, command)
}

/// Runs a command through another one that takes it as its last arguments.
fn wrapped(mut wrapper: Command, command: &Command) -> Output {
    wrapper.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        wrapper.env(name, value.unwrap());
    }
    wrapper.stdin(std::process::Stdio::null()).output().unwrap()
}
