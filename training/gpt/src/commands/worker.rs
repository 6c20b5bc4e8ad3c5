//! `gpt worker`: a process of a training on several devices, which `gpt train --devices` starts.

use anyhow::Result;
use gpt::train::workers::serve;

/// Does what standard input says, and answers on standard output.
///
/// # Errors
/// If the device cannot be used, or there is nothing behind it that trains.
pub fn run() -> Result<()> {
    Ok(serve(std::io::stdin().lock(), std::io::stdout().lock())?)
}
