//! Memory-mapped files: pages of weights that have been laid out anew are not needed a second time.
//!
//! ONNX Runtime maps large weights from the model's file for as long as its session lives. A kernel that has a copy of
//! its own would leave a process with both in memory.

use std::fs;
use std::ops::Range;

/// Lets go of the memory of `bytes` if they are mapped from a file, from which they come again when somebody reads
/// them; other memory stays as it is.
///
/// # Safety
/// If `bytes` are mapped from a file, nobody may have written to them: in memory that is not shared, that would be lost.
pub(crate) unsafe fn let_go(bytes: &[u8]) {
    let addresses = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.len();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default(); // without it, nothing is known to be a file
    let is_file = |file: Range<usize>| file.start <= addresses.start && addresses.end <= file.end;
    if !maps.lines().filter_map(mapped_file).any(is_file) {
        return;
    }
    // SAFETY: asks for a number.
    let Ok(page) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else { return };
    let (start, end) = (addresses.start.next_multiple_of(page), addresses.end / page * page);
    if start < end {
        // SAFETY: these pages are a part of `bytes`, which live, and are mapped from a file; as the caller vouches, they
        // are as they are there, and so they will be when they come again. It may fail, which changes nothing.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// The addresses of a line of `/proc/self/maps`, if a file is mapped there that lies in a folder (`man proc_pid_maps`):
/// memory of other kinds has names of devices, or of files that are deleted.
fn mapped_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_file = fields.nth(3)? != "0" && fields.next()?.starts_with('/');
    let is_memory = line.ends_with(" (deleted)") || line.contains(" /dev/");
    let address = |text| usize::from_str_radix(text, 16).ok();
    (is_file && !is_memory).then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use memmap2::MmapOptions;

    use super::*;

    #[test]
    fn files_are_told_from_other_memory() {
        assert_eq!(mapped_file("7f10-7f20 rw-p 00001000 fd:01 123 /a b"), Some(0x7f10..0x7f20));
        assert_eq!(mapped_file("7f10-7f20 r--p 00000000 00:00 0 [vdso]"), None);
        assert_eq!(mapped_file("7f10-7f20 r--p 00000000 00:00 0"), None);
        assert_eq!(mapped_file("7f10-7f20 rw-s 00000000 00:01 5 /dev/zero"), None);
        assert_eq!(mapped_file("7f10-7f20 rw-p 00000000 00:0f 5 /anon_hugepage (deleted)"), None);
        assert_eq!(mapped_file("nonsense"), None);
    }

    /// Memory that the mapping at this address takes, in kB.
    fn resident(address: *const u8) -> u64 {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = smaps.lines();
        lines.find(|line| mapped_file(line).is_some_and(|file| file.contains(&(address as usize)))).unwrap();
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn a_mapped_file_takes_no_memory_and_keeps_its_contents() {
        let contents: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&contents).unwrap();
        // SAFETY: nobody else has the file.
        let mapped = unsafe { MmapOptions::new().map_copy(file.as_file()) }.unwrap();
        assert!(mapped[..] == contents);
        assert_eq!(resident(mapped.as_ptr()), 1 << 10);
        // SAFETY: nobody writes to the mapping, nor to the heap.
        unsafe {
            let_go(&mapped[100..]); // but for its first page
            let_go(&contents);
        }
        assert_eq!(resident(mapped.as_ptr()), 4);
        assert!(mapped[..] == contents && contents[250] == 250);
    }
}
