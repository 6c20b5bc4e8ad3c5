//! Parsing of store locations and S3 addresses.

use std::path::PathBuf;

use crate::error::StoreError;
use crate::key::is_safe_key;

/// Location of a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Directory(PathBuf),
    S3 { bucket: String, prefix: String },
}

impl Location {
    /// Parses `s3://bucket/prefix`, `file:///path` or a plain path.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let invalid = |reason| StoreError::Location { location: text.to_owned(), reason };
        match text.split_once("://") {
            None if text.is_empty() => Err(invalid("it is empty")),
            None => Ok(Self::Directory(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Directory(path.into())),
            Some(("file", _)) => Err(invalid("its path is not absolute")),
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_end_matches('/');
                if !is_bucket(bucket) {
                    return Err(invalid("its bucket is not 3 to 63 of the characters a-z 0-9 . -"));
                }
                if !(prefix.is_empty() || is_safe_key(prefix)) {
                    return Err(invalid("its prefix is not names of the characters a-z A-Z 0-9 . _ -"));
                }
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            Some(_) => Err(invalid("there is no such kind of store")),
        }
    }
}

/// The bucket and the key, which can hold anything or be empty, in `s3://bucket/key`.
pub(crate) fn parse_address(text: &str) -> Result<(&str, &str), StoreError> {
    let (bucket, key) = match text.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", ""),
    };
    if is_bucket(bucket) { Ok((bucket, key)) } else { Err(StoreError::Address { address: text.to_owned() }) }
}

/// The rule for general purpose buckets, less what only the server can know.
fn is_bucket(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    (3..=63).contains(&name.len()) && name.bytes().all(allowed) && name.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_store_is_understood() {
        let directory = |path: &str| Location::Directory(path.into());
        let s3 = |bucket: &str, prefix: &str| Location::S3 { bucket: bucket.into(), prefix: prefix.into() };
        for (text, expected) in [
            ("store", directory("store")),
            ("/var/store", directory("/var/store")),
            ("file:///var/store", directory("/var/store")),
            ("s3://models", s3("models", "")),
            ("s3://models/", s3("models", "")),
            ("s3://my-models.eu/team/gpt/", s3("my-models.eu", "team/gpt")),
        ] {
            assert_eq!(Location::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn the_key_in_an_address_can_hold_anything() {
        assert_eq!(parse_address("s3://texts").unwrap(), ("texts", ""));
        assert_eq!(parse_address("s3://texts/").unwrap(), ("texts", ""));
        assert_eq!(parse_address("s3://texts/../a b/é//").unwrap(), ("texts", "../a b/é//"));
        for text in ["texts/a.txt", "s3://", "s3://My_Bucket/a.txt"] {
            let error = parse_address(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("s3://BUCKET/KEY"), "{error}");
        }
    }

    #[test]
    fn what_is_no_store_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("file://store", "not absolute"),
            ("s3://", "bucket"),
            ("s3://My_Bucket/x", "bucket"),
            ("s3://models/../other", "prefix"),
            ("s3://models//x", "prefix"),
            ("https://models", "no such kind"),
        ] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("s3://BUCKET/PREFIX"), "{error}");
        }
    }
}
