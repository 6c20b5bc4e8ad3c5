//! Shards: files of token ids, read at any position.
//!
//! Windows lie at random positions. A positioned read is one system call and leaves no pages of the file
//! in this process's memory. A memory map that gives its pages back does the same in four times the time
//! (30 µs against 8 µs for a window of 257 ids) and needs `unsafe`.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::shelf::{Damage, HEADER_BYTES, MAGIC, Shelf, Split};

const TOKEN_BYTES: usize = size_of::<u16>();

/// Writes one shard.
pub struct ShardWriter {
    file: BufWriter<File>,
    hasher: Sha256,
    tokens: u64,
}

impl ShardWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Self { file, hasher: Sha256::new(), tokens: 0 })
    }

    /// Number of ids so far.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Appends ids.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn push(&mut self, ids: &[u16]) -> io::Result<()> {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.hasher.update(&bytes);
        self.tokens += ids.len() as u64;
        self.file.write_all(&bytes)
    }

    /// Writes the header. The folder of all shards is synced when it is committed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self, shelf: &Shelf, split: Split, number: u64) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        file.write_all(&shelf.header(split, number, self.tokens, &self.hasher.finalize()))
    }
}

/// A shard that was checked when it was opened.
#[derive(Debug)]
pub struct Shard {
    file: File,
    tokens: usize,
}

impl Shard {
    /// Opens a shard and checks that it is whole and the one that is asked for.
    ///
    /// # Errors
    /// If it is not.
    pub fn open(shelf: &Shelf, split: Split, number: u64) -> Result<Self, Damage> {
        let path = &shelf.path(split, number);
        let mut file = File::open(path).map_err(Damage::io(path))?;
        let bytes = file.metadata().map_err(Damage::io(path))?.len();
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(Damage::io(path))?;
        if !header.starts_with(MAGIC) {
            return Err(Damage::differs(path, "a file of token ids", "another kind of file"));
        }
        let digest = digest(&mut file).map_err(Damage::io(path))?;
        let tokens = (bytes - HEADER_BYTES as u64) / TOKEN_BYTES as u64;
        if bytes % TOKEN_BYTES as u64 != 0 || header[..] != shelf.header(split, number, tokens, &digest) {
            return Err(Damage::differs(
                path,
                format!("{tokens} token ids of corpus {} under their SHA-256", shelf.corpus),
                "a header that does not fit: the file is damaged or belongs elsewhere",
            ));
        }
        Ok(Self { file, tokens: tokens as usize })
    }

    /// Number of ids.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Appends the `count` ids from `start` on to `ids`.
    ///
    /// # Errors
    /// If the disk fails, or the file was shortened since it was opened.
    pub fn read(&self, start: usize, count: usize, ids: &mut Vec<i64>) -> io::Result<()> {
        let mut bytes = vec![0; count * TOKEN_BYTES];
        self.file.read_exact_at(&mut bytes, (HEADER_BYTES + start * TOKEN_BYTES) as u64)?;
        let pairs = bytes.chunks_exact(TOKEN_BYTES);
        ids.extend(pairs.map(|pair| i64::from(u16::from_le_bytes([pair[0], pair[1]]))));
        Ok(())
    }
}

fn digest(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use artifact::Sha256Hex;

    use super::*;

    fn shelf(folder: &Path) -> Shelf {
        Shelf {
            folder: folder.to_owned(),
            tokenizer: Sha256Hex::of_bytes(b"tokenizer"),
            corpus: Sha256Hex::of_bytes(b"corpus"),
        }
    }

    fn write(shelf: &Shelf, ids: &[u16]) -> PathBuf {
        let path = shelf.path(Split::Training, 3);
        let mut writer = ShardWriter::create(&path).unwrap();
        writer.push(&ids[..1]).unwrap();
        writer.push(&ids[1..]).unwrap();
        assert_eq!(writer.tokens(), ids.len() as u64);
        writer.finish(shelf, Split::Training, 3).unwrap();
        path
    }

    #[test]
    fn reads_what_was_written_even_after_the_file_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(folder.path());
        let ids: Vec<u16> = (0..50_257).collect();
        let path = write(&shelf, &ids);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 192 + 2 * 50_257);
        let shard = Shard::open(&shelf, Split::Training, 3).unwrap();
        assert_eq!(shard.tokens(), ids.len());
        let expected: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        for (start, count) in [(0, 50_257), (50_256, 1), (50_257, 0), (2_000, 4_000), (0, 50_257)] {
            let mut found = vec![-1];
            shard.read(start, count, &mut found).unwrap();
            assert_eq!(found[1..], expected[start..start + count]);
        }
        std::fs::remove_file(path).unwrap();
        let mut found = Vec::new();
        shard.read(0, 50_257, &mut found).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn threads_read_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(folder.path());
        write(&shelf, &(0..50_000).collect::<Vec<u16>>());
        let shard = &Shard::open(&shelf, Split::Training, 3).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let mut found = Vec::new();
                    for start in (thread..49_000).step_by(97) {
                        found.clear();
                        shard.read(start, 300, &mut found).unwrap();
                        assert!(found.iter().copied().eq((start as i64..).take(300)), "{start}");
                    }
                });
            }
        });
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(folder.path());
        let path = write(&shelf, &[1, 2, 3]);
        let sound = std::fs::read(&path).unwrap();
        for offset in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[offset] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert!(Shard::open(&shelf, Split::Training, 3).is_err(), "byte {offset}");
        }
        for length in 0..sound.len() {
            std::fs::write(&path, &sound[..length]).unwrap();
            assert!(Shard::open(&shelf, Split::Training, 3).is_err(), "{length} bytes");
        }
        std::fs::write(&path, [&sound[..], &[0]].concat()).unwrap();
        assert!(Shard::open(&shelf, Split::Training, 3).is_err());
        std::fs::write(&path, &sound).unwrap();
        assert!(Shard::open(&shelf, Split::Training, 3).is_ok());
    }

    #[test]
    fn a_shard_that_belongs_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let here = shelf(folder.path());
        let path = write(&here, &[1, 2, 3]);
        for other in [
            Shelf { corpus: Sha256Hex::of_bytes(b"another corpus"), ..here.clone() },
            Shelf { tokenizer: Sha256Hex::of_bytes(b"another tokenizer"), ..here.clone() },
        ] {
            let error = Shard::open(&other, Split::Training, 3).unwrap_err();
            assert!(error.to_string().contains("training-00003.tokens"), "{error}");
        }
        for (split, number) in [(Split::Training, 0), (Split::Validation, 3)] {
            std::fs::copy(&path, here.path(split, number)).unwrap();
            assert!(Shard::open(&here, split, number).is_err());
        }
    }
}
