//! Peak memory of this process, as the kernel accounts for it.

/// The most memory that this process has had at once, in bytes, where the kernel tells (`VmHWM`, see
/// `man 5 proc_pid_status`).
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_used_counts() {
        let used = std::hint::black_box(vec![1u8; 1 << 29]);
        assert!(peak_bytes().unwrap() > used.len() as u64);
    }
}
