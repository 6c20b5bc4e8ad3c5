//! Texts of a source as files on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::address::Source;
use super::https;
use crate::corpus::error::CorpusError;
use crate::corpus::loader::Loader;

/// The texts of `source` as files on this machine, in an order that does not depend on it.
///
/// # Errors
/// If there is none, or one cannot be downloaded.
pub fn local_files(source: &Source, loader: &Loader<'_>) -> Result<Vec<PathBuf>, CorpusError> {
    let downloads = loader.cache.join("downloads");
    let files = match source {
        Source::Local(text) => matching_files(text)?,
        Source::Https { url, sha256 } => {
            vec![https::download(&https::agent(true), url, sha256.as_ref(), &downloads, loader.notify)?]
        }
        Source::S3(address) => (loader.fetch_s3)(address, &downloads)
            .map_err(|source| CorpusError::S3 { address: address.clone(), source })?,
    };
    if files.is_empty() {
        return Err(CorpusError::Nothing {
            source_text: source.to_string(),
            expected: match source {
                Source::S3(_) => "there is no object .txt under it",
                _ => {
                    "there is no text in it: expected files .txt in a folder, or a pattern that matches files"
                }
            },
        });
    }
    Ok(files)
}

/// The file, the texts in the folder, or the files that match the pattern.
fn matching_files(text: &str) -> Result<Vec<PathBuf>, CorpusError> {
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
            let found = matching_files(path.to_str().unwrap()).unwrap();
            let relative = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
            found.iter().map(relative).collect()
        };
        assert_eq!(names(""), ["[1].txt", "a.TXT", "b.txt"]);
        assert_eq!(names("c.md"), ["c.md"]);
        assert_eq!(names("[1].txt"), ["[1].txt"]);
        assert_eq!(names("**/*.txt"), ["[1].txt", "b.txt", "sub/d.txt"]);
        assert_eq!(names("*.pdf"), Vec::<String>::new());
        assert!(matches!(matching_files("a/***").unwrap_err(), CorpusError::Pattern { .. }));
    }
}
