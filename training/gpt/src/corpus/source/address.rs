//! Addresses of texts: files, folders, patterns, `https://` and `s3://`.

use std::fmt;
use std::str::FromStr;

use artifact::Sha256Hex;
use serde::{Deserialize, Serialize};

/// Address of one or more texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// A file, a folder (the texts in it and in folders below), or a pattern as of a shell (`books/**/*.txt`).
    Local(String),
    /// A text at a public address.
    Https {
        /// The address, without its fragment.
        url: String,
        /// Expected digest, if that is known: `#sha256=` and 64 digits.
        sha256: Option<Sha256Hex>,
    },
    /// All texts under a prefix: `s3://bucket/prefix`.
    S3(String),
}

/// An address that is not valid.
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
}
