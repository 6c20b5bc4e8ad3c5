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

use super::shelf::{Damage, HEADER_BYTES, IdBytes, MAGIC, Shelf, Split};

/// Writes one shard.
pub struct ShardWriter {
    file: BufWriter<File>,
    hasher: Sha256,
    id_bytes: IdBytes,
    tokens: u64,
}

impl ShardWriter {
    /// Begins a file of ids of this length.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path, id_bytes: IdBytes) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Self { file, hasher: Sha256::new(), id_bytes, tokens: 0 })
    }

    /// Number of ids so far.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Appends ids, which must fit.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn push(&mut self, ids: &[u32]) -> io::Result<()> {
        let bytes: Vec<u8> = match self.id_bytes {
            IdBytes::Two => ids.iter().flat_map(|&id| (id as u16).to_le_bytes()).collect(),
            IdBytes::Four => ids.iter().flat_map(|id| id.to_le_bytes()).collect(),
        };
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
    id_bytes: IdBytes,
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
        let id_bytes = shelf.id_bytes.count() as u64;
        let tokens = (bytes - HEADER_BYTES as u64) / id_bytes;
        if bytes % id_bytes != 0 || header[..] != shelf.header(split, number, tokens, &digest) {
            return Err(Damage::differs(
                path,
                format!("{tokens} token ids of corpus {} under their SHA-256", shelf.corpus),
                "a header that does not fit: the file is damaged or belongs elsewhere",
            ));
        }
        Ok(Self { file, id_bytes: shelf.id_bytes, tokens: tokens as usize })
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
        let length = self.id_bytes.count();
        let mut bytes = vec![0; count * length];
        self.file.read_exact_at(&mut bytes, (HEADER_BYTES + start * length) as u64)?;
        match self.id_bytes {
            IdBytes::Two => {
                ids.extend(bytes.as_chunks().0.iter().map(|&id| i64::from(u16::from_le_bytes(id))))
            }
            IdBytes::Four => {
                ids.extend(bytes.as_chunks().0.iter().map(|&id| i64::from(u32::from_le_bytes(id))))
            }
        }
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
            id_bytes: IdBytes::Two,
        }
    }

    fn write(shelf: &Shelf, ids: &[u32]) -> PathBuf {
        let path = shelf.path(Split::Training, 3);
        let mut writer = ShardWriter::create(&path, shelf.id_bytes).unwrap();
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
        let ids: Vec<u32> = (0..50_257).collect();
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

    /// From 65,537 ids on, which is where two bytes are too short.
    #[test]
    fn ids_of_a_large_vocabulary_take_four_bytes() {
        let length = |vocab_size| IdBytes::of_vocabulary(vocab_size).count();
        assert_eq!((length(257), length(65_536), length(65_537)), (2, 2, 4));
        let folder = tempfile::tempdir().unwrap();
        let large = Shelf { id_bytes: IdBytes::Four, ..shelf(folder.path()) };
        let path = write(&large, &[1, 65_536, 3, 1 << 19]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 192 + 4 * 4);
        let shard = Shard::open(&large, Split::Training, 3).unwrap();
        let mut found = Vec::new();
        shard.read(1, 3, &mut found).unwrap();
        assert_eq!((shard.tokens(), found), (4, vec![65_536, 3, 1 << 19]));
        // Whoever expects two bytes does not read them as eight ids.
        assert!(Shard::open(&Shelf { id_bytes: IdBytes::Two, ..large }, Split::Training, 3).is_err());
    }

    #[test]
    fn threads_read_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(folder.path());
        write(&shelf, &(0..50_000).collect::<Vec<u32>>());
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
