//! Names of models, after the text that they are trained on, and of their versions.

use std::path::Path;

use artifact::Sha256Hex;
use artifact::manifest::FileEntry;
use deunicode::deunicode;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::corpus::Source;
use crate::corpus::format::{is_searched_for, unpacked_name};

/// A name is a folder of the store and part of commands; a long title has said enough by then.
const MAX_LENGTH: usize = 64;
/// The name where a source has none, such as `/`, or one of signs alone.
const FALLBACK: &str = "model";

/// The default name of a model that is trained on `sources`: the first source's file or folder name
/// without extension, in the characters `a-z 0-9 . _ -`, and how many more sources there are.
///
/// ```
/// # use gpt::{corpus::Source, release::naming::model_name};
/// let source = |text: &str| text.parse::<Source>();
/// assert_eq!(model_name(&[source("The Verdict (1908).txt")?]), "the-verdict-1908");
/// assert_eq!(model_name(&[source("a.txt")?, source("b.txt")?]), "a-and-1-more");
/// # Ok::<(), gpt::corpus::source::SourceError>(())
/// ```
pub fn model_name(sources: &[Source]) -> String {
    let first = sources.first().map(last_part).map(|part| safe(&part)).unwrap_or_default();
    let name = if first.is_empty() { FALLBACK.to_owned() } else { first };
    match sources.len() {
        0 | 1 => name,
        count => format!("{name}-and-{}-more", count - 1),
    }
}

/// The last part of a path or address, without the extension of a file.
fn last_part(source: &Source) -> String {
    match source {
        Source::Local(text) => local_part(text),
        Source::Https { url, .. } => {
            let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let part = path.rsplit('/').next().unwrap_or_default();
            // The host of an address without a path has no extension.
            let part = if path.matches('/').count() > 2 { stem(Path::new(part)) } else { part.to_owned() };
            percent_decode_str(&part).decode_utf8_lossy().into_owned()
        }
        Source::S3(address) => {
            let part = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            // It may be a folder, with any dot in its name.
            if is_searched_for(part) { stem(Path::new(part)) } else { part.to_owned() }
        }
    }
}

/// A pattern is named after the last folder before its first wildcard, unless it names a file.
fn local_part(text: &str) -> String {
    let path = Path::new(text);
    if !path.exists()
        && let Some(wildcard) = text.find(['*', '?', '['])
    {
        let folder = text[..wildcard].rsplit_once('/').map_or(".", |(folder, _)| folder);
        return folder_name(Path::new(folder));
    }
    if path.is_dir() { folder_name(path) } else { stem(path) }
}

/// The name of a folder, also of `.` and `..`.
fn folder_name(path: &Path) -> String {
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    resolved.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The name of a file without its extensions: `stories` of `stories.jsonl.gz`.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Path::new(unpacked_name(&name)).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A name in lower-case ASCII, other letters as they sound: what is no letter, digit, `.` or `_` becomes
/// one `-`.
fn safe(text: &str) -> String {
    let mut name = String::new();
    for character in deunicode(text).to_ascii_lowercase().chars() {
        match character {
            'a'..='z' | '0'..='9' | '.' | '_' => name.push(character),
            // An apostrophe is inside a word.
            '\'' => {}
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let is_sign = |character: char| !character.is_ascii_alphanumeric();
    let mut name = name.trim_start_matches(is_sign).to_owned();
    name.truncate(MAX_LENGTH);
    name.trim_end_matches(is_sign).to_owned()
}

/// A version's name and its time.
pub(super) struct VersionName {
    /// Sortable: UTC time, then a short hash of the files.
    pub(super) version: String,
    /// RFC 3339, UTC.
    pub(super) created_at: String,
}

impl VersionName {
    /// The name of a version of these files that is made now.
    pub(super) fn now(files: &[FileEntry]) -> Self {
        let now = Timestamp::now();
        let hashes: String = files.iter().map(|file| file.sha256.as_str()).collect();
        let short_hash = &Sha256Hex::of_bytes(hashes.as_bytes()).as_str()[..8].to_owned();
        Self {
            version: format!("{}-{short_hash}", now.strftime("%Y%m%dT%H%M%SZ")),
            created_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use artifact::manifest::is_safe_name;
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> String {
        model_name(&[text.parse().unwrap()])
    }

    #[test]
    fn a_model_is_named_after_its_text() {
        for (source, expected) in [
            ("The Verdict (1908).txt", "the-verdict-1908"),
            ("texts/the-verdict.txt", "the-verdict"),
            ("/a/Grüße aus Çeşme.TXT", "grusse-aus-cesme"),
            ("Война и мир.txt", "voina-i-mir"),
            ("Alice's_Adventures.v2.txt", "alices_adventures.v2"),
            ("no/such/folder/", "folder"),
            ("https://www.gutenberg.org/cache/epub/1342/pg1342.txt", "pg1342"),
            ("https://example.org/The%20Verdict.txt?raw=1", "the-verdict"),
            ("https://example.org/", "example.org"),
            ("s3://texts/team/corpus/", "corpus"),
            ("s3://texts/team/story.txt", "story"),
            ("s3://texts", "texts"),
            ("stories.jsonl.gz", "stories"),
            ("s3://texts/team/stories.jsonl.zst", "stories"),
            ("s3://texts/team/v1.2", "v1.2"),
            ("(...).txt", FALLBACK),
            ("/", FALLBACK),
        ] {
            assert_eq!(name(source), expected, "{source}");
        }
        assert_eq!(name(&format!("{}.txt", "long title ".repeat(20))).len(), MAX_LENGTH);
    }

    #[test]
    fn a_folder_keeps_its_dots_and_a_pattern_is_named_after_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("Books v1.2");
        std::fs::create_dir(&folder).unwrap();
        let text = folder.to_str().unwrap();
        assert_eq!(name(text), "books-v1.2");
        assert_eq!(name(&format!("{text}/../Books v1.2/.")), "books-v1.2");
        assert_eq!(name(&format!("{text}/*.txt")), "books-v1.2");
        assert_eq!(name(&format!("{text}/**/a*.txt")), "books-v1.2");
        assert_eq!(name("*.txt"), name("."));
    }

    #[test]
    fn several_texts_are_counted() {
        let sources = ["a.txt", "b.txt", "c.txt"].map(|text| text.parse().unwrap());
        assert_eq!(model_name(&sources), "a-and-2-more");
        assert_eq!(model_name(&[]), FALLBACK);
    }

    proptest! {
        #[test]
        fn every_name_is_safe(text in any::<String>(), more in 0..3_usize) {
            prop_assume!(!text.is_empty());
            let sources = vec![Source::Local(text); more + 1];
            let name = model_name(&sources);
            prop_assert!(is_safe_name(&name) && name == name.to_ascii_lowercase(), "{name}");
        }
    }
}
