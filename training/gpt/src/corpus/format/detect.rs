//! Format of a file, by its first bytes and its name.

use std::io::Read;
use std::path::Path;

use super::compression::Compression;
use super::encoding::Encoding;
use super::unreadable::{ARRAY, NO_PARQUET, PACKED_PARQUET, Unreadable, extension};
use crate::corpus::error::CorpusError;

/// As much of a file as is looked at.
const HEAD_BYTES: u64 = 1 << 13;

/// Files that a folder is searched for, compressed or not.
const EXTENSIONS: [&str; 8] = ["txt", "text", "md", "markdown", "jsonl", "ndjson", "json", "parquet"];

/// How a file is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub(super) compression: Compression,
    /// What it holds.
    pub kind: Kind,
}

/// Contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text(Encoding),
    /// A JSON object on each line.
    JsonLines(Encoding),
    /// Columns of a table.
    Parquet,
}

impl Format {
    /// Whether the file is one text, not records with fields.
    pub fn is_plain(self) -> bool {
        matches!(self.kind, Kind::Text(_))
    }

    /// What is worth saying of it: nothing of a plain text in UTF-8.
    pub fn remark(self) -> Option<String> {
        let kind = match self.kind {
            Kind::Text(Encoding::Utf8) => None,
            Kind::Text(encoding) => Some(encoding.name()),
            Kind::JsonLines(_) => Some("JSON Lines"),
            Kind::Parquet => Some("Parquet"),
        };
        let parts: Vec<&str> = kind.into_iter().chain(self.compression.name()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// What of it decides about the text that is read: the same bytes could be plain text and JSON Lines.
    pub fn identity(self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "text",
            Kind::JsonLines(_) => "jsonl",
            Kind::Parquet => "parquet",
        }
    }
}

/// The format of a file, or why it is not read.
///
/// # Errors
/// If it cannot be opened, or unpacked.
pub fn detect(path: &Path) -> Result<Result<Format, Unreadable>, CorpusError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let compression = Compression::of(&head(path, Compression::None)?);
    let head = head(path, compression)?;
    let name = match compression {
        Compression::None => name.as_str(),
        _ => unpacked_name(&name),
    };
    Ok(kind(&head, name, compression).map(|kind| Format { compression, kind }))
}

/// How a file of JSON is to be read, whatever its name, and whether it is one object on each line or one array.
///
/// # Errors
/// If it cannot be opened, or unpacked.
pub fn of_json(path: &Path) -> Result<Format, CorpusError> {
    let compression = Compression::of(&head(path, Compression::None)?);
    let kind = Kind::JsonLines(Encoding::of(&head(path, compression)?));
    Ok(Format { compression, kind })
}

fn kind(head: &[u8], name: &str, compression: Compression) -> Result<Kind, Unreadable> {
    if head.starts_with(b"PAR1") {
        let is_packed = compression != Compression::None;
        return if is_packed { Err(PACKED_PARQUET) } else { Ok(Kind::Parquet) };
    }
    if let Some(unreadable) = Unreadable::of(head, name) {
        return Err(unreadable);
    }
    let encoding = Encoding::of(head);
    match extension(name).as_str() {
        "parquet" => Err(NO_PARQUET),
        "jsonl" | "ndjson" => Ok(Kind::JsonLines(encoding)),
        "json" if first_visible(head) == Some(b'[') => Err(ARRAY),
        "json" => Ok(Kind::JsonLines(encoding)),
        _ => Ok(Kind::Text(encoding)),
    }
}

/// The first byte that is neither white space nor part of a byte-order mark.
fn first_visible(head: &[u8]) -> Option<u8> {
    head.iter().copied().find(u8::is_ascii_graphic)
}

fn head(path: &Path, compression: Compression) -> Result<Vec<u8>, CorpusError> {
    let mut head = Vec::new();
    let mut input = compression.open(path)?.take(HEAD_BYTES);
    input.read_to_end(&mut head).map_err(CorpusError::io(path))?;
    Ok(head)
}

/// A name without the extension that says that the file is compressed.
pub fn unpacked_name(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((rest, extension))
            if ["gz", "zst", "zstd"].contains(&extension.to_ascii_lowercase().as_str()) =>
        {
            rest
        }
        _ => name,
    }
}

/// Whether a folder is searched for files of this name.
pub fn is_searched_for(name: &str) -> bool {
    EXTENSIONS.contains(&extension(unpacked_name(name)).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, contents: &[u8]) -> Result<Format, Unreadable> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        detect(&path).unwrap()
    }

    #[test]
    fn names_and_first_bytes_decide_together() {
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        let object = br#"{"text": "a"}"#;
        for (name, contents, remark) in [
            ("a.txt", &b"text"[..], None),
            ("a.py", b"print()", None),
            ("a", b"", None),
            ("a.txt", b"t\0e\0x\0t\0 \0", Some("UTF-16 (little endian)")),
            ("a.jsonl", object, Some("JSON Lines")),
            ("a.json", object, Some("JSON Lines")),
            ("a.jsonl.zst", &zstd(object), Some("JSON Lines, Zstandard")),
            ("a.txt.gz", &zstd(b"text"), Some("Zstandard")),
            ("a.bin", b"PAR1...", Some("Parquet")),
        ] {
            assert_eq!(found(name, contents).unwrap().remark().as_deref(), remark, "{name}");
        }
        assert_eq!(found("a.txt", object).unwrap().identity(), "text");
        for (name, contents, what) in [
            ("a.json", &b"\n[{}]"[..], "one JSON array"),
            ("a.parquet", b"<Error>", "named .parquet, but not Parquet"),
            ("a.parquet.zst", &zstd(b"PAR1"), "a Parquet file that was compressed once more"),
            ("a.txt.zst", &zstd(b"%PDF-1.4"), "a PDF"),
            ("a.txt.zst", &zstd(&zstd(b"text")), "compressed twice"),
        ] {
            assert_eq!(found(name, contents).unwrap_err().what, what, "{name}");
        }
    }

    #[test]
    fn a_folder_is_searched_for_texts_by_name() {
        for name in ["a.txt", "a.TXT", "a.md", "a.jsonl.gz", "a.txt.zst", "a.parquet", "b.c.text"] {
            assert!(is_searched_for(name), "{name}");
        }
        for name in ["a.py", "txt", "a.gz", "a.txt.bz2", "a"] {
            assert!(!is_searched_for(name), "{name}");
        }
    }
}
