//! Environment variables of native libraries, which some of them read before `main`.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// What each of them is told, unless the environment says otherwise.
const SETTINGS_OF_LIBRARIES: [(&str, &str); 5] = [
    // libtorch's threads wait for each other many times in a step. To sleep at once costs small models a fifth of
    // their speed, since waking takes longer than what they wait for; to spin for long, which is the default, is
    // several times slower on a busy machine or under a CPU quota. These turns take a fraction of a millisecond.
    (SPINNING, "10000"),
    // The memory of a step's tensors is kept for the next step, up to 1 GiB, instead of being given back to the kernel
    // and zeroed by it again. 32 MiB is the largest block that glibc keeps.
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
    // Larger ones are new in each step: gradients of embeddings, logits. In pages of 2 MiB the kernel zeroes them several
    // times as fast, a quarter of a step of 162 million parameters in bf16.
    ("THP_MEM_ALLOC_ENABLE", "1"),
    // ONNX Runtime's Linux builds report on their users unless they are told not to.
    ("ORT_DISABLE_TELEMETRY", "1"),
];
const SPINNING: &str = "GOMP_SPINCOUNT";
/// Decides about spinning too, where it is set.
const WAIT_POLICY: &str = "OMP_WAIT_POLICY";

/// Makes sure that the libraries have found their settings: if one is not in the environment,
/// replaces this process by itself with all of them. Call it first in `main`.
///
/// # Errors
/// If the process cannot be replaced.
pub fn set_up() -> std::io::Result<()> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let is_decided = |name: &str| is_set(name) || (name == SPINNING && is_set(WAIT_POLICY));
    let mut missing = SETTINGS_OF_LIBRARIES.into_iter().filter(|(name, _)| !is_decided(name));
    let Some(first) = missing.next() else { return Ok(()) };
    let program = std::env::current_exe()?;
    let settings = missing.chain([first]);
    Err(Command::new(program).args(std::env::args_os().skip(1)).envs(settings).exec())
}
