//! SHA-256 of files and bytes, as lower-case hexadecimal text.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 digest as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The digest of `bytes`.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::from_digest(Sha256::digest(bytes).as_ref())
    }

    /// The digest of a file's contents and its length in bytes.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file(path: &Path) -> io::Result<(Self, u64)> {
        let mut file = std::fs::File::open(path)?;
        let mut writer = Sha256Writer::new(io::sink());
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(writer.finish());
            }
            writer.write_all(&buffer[..count])?;
        }
    }

    /// A digest that is known at compile time; its form is not checked.
    pub(crate) fn from_const(digits: &'static str) -> Self {
        Self(digits.to_owned())
    }

    fn from_digest(digest: &[u8]) -> Self {
        Self(hex::encode(digest))
    }

    /// The digest itself, of 32 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        hex::decode(&self.0).unwrap_or_else(|error| unreachable!("its form was checked: {error}"))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writer that hashes and counts the bytes on their way to another writer.
pub struct Sha256Writer<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W: Write> Sha256Writer<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), length: 0 }
    }

    /// The digest of what was written, and its length in bytes.
    pub fn finish(self) -> (Sha256Hex, u64) {
        (Sha256Hex::from_digest(self.hasher.finalize().as_ref()), self.length)
    }
}

impl<W: Write> Write for Sha256Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_digest = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_digest {
            Ok(Self(text))
        } else {
            Err(format!("`{text}` is not a SHA-256 digest (64 digits 0-9 a-f)"))
        }
    }
}

impl From<Sha256Hex> for String {
    fn from(hash: Sha256Hex) -> Self {
        hash.0
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: the one-block example of FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hashes_bytes_and_files_alike() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(Sha256Hex::of_bytes(b"abc").as_str(), ABC);
        assert_eq!(Sha256Hex::of_file(file.path()).unwrap(), (Sha256Hex::of_bytes(b"abc"), 3));
    }

    #[test]
    fn only_a_digest_parses() {
        assert!(Sha256Hex::try_from(ABC.to_owned()).is_ok());
        assert!(Sha256Hex::try_from(ABC.to_uppercase()).is_err());
        assert!(Sha256Hex::try_from("../secret".to_owned()).is_err());
    }
}
