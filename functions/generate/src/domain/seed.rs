//! Random seeds from the operating system.

use rand::TryRngCore;
use rand::rngs::OsRng;

/// The largest seed: larger integers do not survive a client that reads numbers as doubles.
pub const MAX_SEED: u64 = (1 << 53) - 1;

/// A random seed, at most [`MAX_SEED`]. A generator inside this process would give the same seeds in all
/// copies of a process snapshot.
pub fn draw_seed() -> u64 {
    OsRng.try_next_u64().map_or(0, |bits| bits & MAX_SEED)
}
