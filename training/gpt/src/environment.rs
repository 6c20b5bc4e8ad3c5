//! Environment variables of native libraries, which some of them read before `main`.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// libtorch's threads spin while they wait for each other unless they are told to be passive. That
/// is no faster on a free machine and several times slower on a busy one or under a CPU quota.
/// ONNX Runtime's Linux builds report on their users unless they are told not to.
const SETTINGS_OF_LIBRARIES: [(&str, &str); 2] =
    [("OMP_WAIT_POLICY", "passive"), ("ORT_DISABLE_TELEMETRY", "1")];

/// Makes sure that the libraries have found their settings: if one is not in the environment,
/// replaces this process by itself with all of them. Call it first in `main`.
///
/// # Errors
/// If the process cannot be replaced.
pub fn set_up() -> std::io::Result<()> {
    let mut missing = SETTINGS_OF_LIBRARIES.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let Some(first) = missing.next() else { return Ok(()) };
    let program = std::env::current_exe()?;
    let settings = missing.chain([first]);
    Err(Command::new(program).args(std::env::args_os().skip(1)).envs(settings).exec())
}
