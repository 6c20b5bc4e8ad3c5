//! Where a corpus lies.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use artifact::Sha256Hex;
use serde::{Deserialize, Serialize};

use super::{CorpusError, Loader, download};

/// Where one or more texts of a corpus lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// A file, a folder (its files `.txt`), or a pattern as of a shell (`books/**/*.txt`).
    Local(String),
    /// A text at a public address.
    Https {
        /// The address, without its fragment.
        url: String,
        /// What must be found there, if that is known: `#sha256=` and 64 digits.
        sha256: Option<Sha256Hex>,
    },
    /// All objects `.txt` under a prefix: `s3://bucket/prefix`.
    S3(String),
}

/// A source that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("corpus `{text}`: {reason}")]
pub struct SourceError {
    text: String,
    reason: String,
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let error = |reason: &str| SourceError { text: text.to_owned(), reason: reason.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err(error("expected a file, a folder, a pattern or an address")),
                _ => Ok(Self::Local(text.to_owned())),
            };
        };
        match scheme {
            "https" if rest.is_empty() || rest.starts_with(['/', '#']) => {
                Err(error("there is no host in it"))
            }
            "https" => {
                let (url, fragment) = text.split_once('#').map_or((text, None), |(a, b)| (a, Some(b)));
                let sha256 = fragment
                    .map(|fragment| {
                        let digits = fragment
                            .strip_prefix("sha256=")
                            .ok_or_else(|| error("expected `#sha256=` and 64 digits after the address"))?;
                        Sha256Hex::try_from(digits.to_ascii_lowercase()).map_err(|reason| error(&reason))
                    })
                    .transpose()?;
                Ok(Self::Https { url: url.to_owned(), sha256 })
            }
            "s3" if rest.is_empty() || rest.starts_with('/') => Err(error("there is no bucket in it")),
            "s3" => Ok(Self::S3(text.to_owned())),
            "http" => Err(error("texts are read over https:// only")),
            _ => Err(error("expected https:// or s3://, or a file without `://` in its name")),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(text) | Self::S3(text) => f.write_str(text),
            Self::Https { url, sha256: None } => f.write_str(url),
            Self::Https { url, sha256: Some(sha256) } => write!(f, "{url}#sha256={sha256}"),
        }
    }
}

impl Source {
    /// The source as files on this machine, in an order that does not depend on it.
    pub(super) fn files(&self, loader: &Loader<'_>) -> Result<Vec<PathBuf>, CorpusError> {
        let downloads = loader.cache.join("downloads");
        let files = match self {
            Self::Local(text) => local_files(text)?,
            Self::Https { url, sha256 } => {
                let agent = download::agent(true);
                vec![download::download(&agent, url, sha256.as_ref(), &downloads, loader.notify)?]
            }
            Self::S3(address) => (loader.fetch_s3)(address, &downloads)
                .map_err(|source| CorpusError::S3 { address: address.clone(), source })?,
        };
        if files.is_empty() {
            return Err(CorpusError::Nothing {
                source_text: self.to_string(),
                expected: match self {
                    Self::S3(_) => "there is no object .txt under it",
                    _ => {
                        "there is no text in it: expected files .txt in a folder, or a pattern that matches files"
                    }
                },
            });
        }
        Ok(files)
    }
}

fn local_files(text: &str) -> Result<Vec<PathBuf>, CorpusError> {
    let path = Path::new(text);
    if path.is_dir() {
        return text_files(path).map_err(CorpusError::io(path));
    }
    if path.exists() || !text.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let matches = glob::glob(text)
        .map_err(|error| CorpusError::Pattern { pattern: text.to_owned(), reason: error.msg })?;
    let mut files = Vec::new();
    for entry in matches {
        let file =
            entry.map_err(|error| CorpusError::Io { path: error.path().to_owned(), source: error.into() })?;
        if !file.is_dir() {
            files.push(file);
        }
    }
    Ok(files)
}

/// The files `.txt` directly in a folder, by name.
fn text_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Source>().unwrap_err().to_string()
    }

    #[test]
    fn parses_what_it_prints() {
        let digest = "a".repeat(64);
        for (text, expected) in [
            ("books/*.txt", Source::Local("books/*.txt".to_owned())),
            (
                "https://example.org/a.txt",
                Source::Https { url: "https://example.org/a.txt".to_owned(), sha256: None },
            ),
            (
                &format!("https://example.org/a.txt#sha256={digest}"),
                Source::Https {
                    url: "https://example.org/a.txt".to_owned(),
                    sha256: Some(Sha256Hex::try_from(digest.clone()).unwrap()),
                },
            ),
            ("s3://bucket/a/prefix", Source::S3("s3://bucket/a/prefix".to_owned())),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source, expected);
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        assert!(refusal("http://example.org/a.txt").contains("https:// only"));
        assert!(refusal("https://").contains("no host"));
        assert!(refusal("https://example.org/a.txt#md5=1").contains("#sha256="));
        assert!(refusal("https://example.org/a.txt#sha256=12").contains("64 digits"));
        assert!(refusal("s3:///prefix").contains("no bucket"));
        assert!(refusal("ftp://example.org/a.txt").contains("expected https:// or s3://"));
        assert!(refusal("").contains("expected a file"));
    }

    #[test]
    fn finds_files_folders_and_patterns_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a.TXT", "c.md", "sub/d.txt", "[1].txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let path = folder.path().join(pattern);
            let found = local_files(path.to_str().unwrap()).unwrap();
            let relative = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
            found.iter().map(relative).collect()
        };
        assert_eq!(names(""), ["[1].txt", "a.TXT", "b.txt"]);
        assert_eq!(names("c.md"), ["c.md"]);
        assert_eq!(names("[1].txt"), ["[1].txt"]);
        assert_eq!(names("**/*.txt"), ["[1].txt", "b.txt", "sub/d.txt"]);
        assert_eq!(names("*.pdf"), Vec::<String>::new());
        assert!(matches!(local_files("a/***").unwrap_err(), CorpusError::Pattern { .. }));
    }
}
