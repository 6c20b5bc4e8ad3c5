//! Compression of a whole file: gzip and Zstandard, unpacked on the way.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::corpus::error::CorpusError;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, of one or more members.
    Gzip,
    /// RFC 8878, of one or more frames.
    Zstd,
}

impl Compression {
    /// The compression of a file that begins so.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // A frame, or one to skip with a table of contents.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Its name, if there is one.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("Zstandard"),
        }
    }

    /// Reads a file, unpacked.
    pub(super) fn open(self, path: &Path) -> Result<Box<dyn Read>, CorpusError> {
        let file = File::open(path).map_err(CorpusError::io(path))?;
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => {
                Box::new(Unpacked { input: MultiGzDecoder::new(BufReader::new(file)), format: "gzip" })
            }
            Self::Zstd => {
                // It takes no more than the 128 MiB that the reference decoder takes by default.
                let decoder = zstd::stream::read::Decoder::new(file).map_err(CorpusError::io(path))?;
                Box::new(Unpacked { input: decoder, format: "Zstandard" })
            }
        })
    }
}

/// Says of an error in compressed data what to do about it.
struct Unpacked<R> {
    input: R,
    format: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let text = format!("its {} data is damaged or incomplete ({error}); get it again", self.format);
            io::Error::new(error.kind(), text)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut text = String::new();
        let mut input = Compression::of(bytes).open(file.path()).unwrap();
        input.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn unpacks_files_of_one_and_of_several_parts() {
        let [one, two] = ["one ".repeat(100_000), "two".to_owned()];
        for compress in [gzip, |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap()] {
            let parts = [compress(one.as_bytes()), compress(two.as_bytes())].concat();
            assert_eq!(unpack(&parts).unwrap(), format!("{one}{two}"));
            let error = unpack(&parts[..parts.len() / 2]).unwrap_err();
            assert!(error.contains("damaged or incomplete") && error.contains("get it again"), "{error}");
        }
        assert_eq!(unpack(two.as_bytes()).unwrap(), two);
    }
}
