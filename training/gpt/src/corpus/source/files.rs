//! Texts of a source as files on this machine.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::address::Source;
use super::hidden::{HIDDEN, is_hidden};
use super::https;
use super::left_out::{LeftOut, left_out};
use crate::corpus::error::CorpusError;
use crate::corpus::format::{Format, Unreadable, detect, is_searched_for};
use crate::corpus::loader::Loader;

/// What is said of other files in a folder.
const NOT_SEARCHED_FOR: &str = "not named like a text (.txt, .md, .jsonl, .json or .parquet, also .gz or .zst); to read \
                                it as plain text, name the file";
/// What is said of a source without texts.
const EXPECTED: &str = "expected files .txt, .md, .jsonl, .json or .parquet, also .gz or .zst, in a folder and those below \
                        it, or a pattern that matches files";

/// A text, and how it is read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its place.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
}

/// Files of a source before anybody has looked into them.
struct Candidates {
    /// Each with the name that people know it by.
    files: Vec<(String, PathBuf)>,
    left_out: Vec<LeftOut>,
    /// Whether files are left out that are not named like texts.
    is_folder: bool,
}

/// The texts of `source` as files on this machine, in an order that does not depend on it. Files that are left out are
/// told; where the only one would be, that is an error.
///
/// # Errors
/// If there is no text, or one cannot be downloaded or looked at.
pub fn local_files(source: &Source, loader: &Loader<'_>) -> Result<Vec<SourceFile>, CorpusError> {
    let Candidates { files, mut left_out, is_folder } = candidates(source, loader)?;
    let mut found = Vec::new();
    let mut refused: Option<(PathBuf, Unreadable)> = None;
    for (name, path) in files {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match detect(&path)? {
            Ok(_) if is_folder && !is_searched_for(&file_name) => {
                left_out.push(LeftOut { name, reason: NOT_SEARCHED_FOR.to_owned() });
            }
            Ok(format) => found.push(SourceFile { path, format }),
            Err(kind) => {
                left_out.push(LeftOut { name, reason: kind.to_string() });
                refused.get_or_insert((path, kind));
            }
        }
    }
    left_out.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty()
        && left_out.len() == 1
        && let Some((path, kind)) = refused
    {
        return Err(CorpusError::Unreadable { path, kind });
    }
    if let Some(text) = self::left_out(&source.to_string(), &left_out) {
        (loader.notify)(&text);
    }
    if found.is_empty() {
        return Err(CorpusError::Nothing { source_text: source.to_string(), expected: EXPECTED });
    }
    Ok(found)
}

fn candidates(source: &Source, loader: &Loader<'_>) -> Result<Candidates, CorpusError> {
    let downloads = loader.cache.join("downloads");
    let paths = match source {
        Source::Local(text) => return local_candidates(text),
        Source::Https { url, sha256 } => {
            vec![https::download(&https::agent(true), url, sha256.as_ref(), &downloads, loader.notify)?]
        }
        Source::S3(address) => (loader.fetch_s3)(address, &downloads)
            .map_err(|source| CorpusError::S3 { address: address.clone(), source })?,
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let files = paths.into_iter().map(|path| (name(&path), path)).collect();
    Ok(Candidates { files, left_out: Vec::new(), is_folder: false })
}

/// The file, the files in the folder, or those that match the pattern.
fn local_candidates(text: &str) -> Result<Candidates, CorpusError> {
    let path = Path::new(text);
    if path.is_dir() {
        return folder_candidates(path);
    }
    if path.exists() || !text.contains(['*', '?', '[']) {
        return Ok(Candidates {
            files: vec![(text.to_owned(), path.to_owned())],
            left_out: vec![],
            is_folder: false,
        });
    }
    let matches = glob::glob(text)
        .map_err(|error| CorpusError::Pattern { pattern: text.to_owned(), reason: error.msg })?;
    let mut candidates = Candidates { files: Vec::new(), left_out: Vec::new(), is_folder: false };
    // What a pattern asks for by a leading dot is not hidden.
    let fixed =
        text.find(['*', '?', '[']).and_then(|wildcard| text[..wildcard].rfind('/')).map_or(0, |end| end + 1);
    let asks_for_hidden = is_hidden(&text[fixed..]);
    for entry in matches {
        let file =
            entry.map_err(|error| CorpusError::Io { path: error.path().to_owned(), source: error.into() })?;
        if file.is_dir() {
            continue;
        }
        let name = file.to_string_lossy().into_owned();
        let below = name.strip_prefix(&text[..fixed]).unwrap_or(&name);
        if is_hidden(below) && !asks_for_hidden {
            candidates.left_out.push(LeftOut { name, reason: HIDDEN.to_owned() });
        } else {
            candidates.files.push((name, file));
        }
    }
    Ok(candidates)
}

/// All files in a folder and those below it, by path.
fn folder_candidates(folder: &Path) -> Result<Candidates, CorpusError> {
    let mut candidates = Candidates { files: Vec::new(), left_out: Vec::new(), is_folder: true };
    for entry in WalkDir::new(folder).follow_links(true) {
        let entry = entry.map_err(|error| CorpusError::Io {
            path: error.path().unwrap_or(folder).to_owned(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.into_path();
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        if is_hidden(&name) {
            candidates.left_out.push(LeftOut { name, reason: HIDDEN.to_owned() });
        } else {
            candidates.files.push((name, path));
        }
    }
    candidates.files.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;

    /// The texts of a source below `folder`, and what is said of others.
    fn find(folder: &Path, pattern: &str) -> (Result<Vec<String>, CorpusError>, String) {
        let said = RefCell::new(String::new());
        let loader = Loader {
            train_fraction: 0.9,
            cache: folder,
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|line| said.borrow_mut().push_str(line),
        };
        let source = Source::Local(folder.join(pattern).to_str().unwrap().to_owned());
        let found = local_files(&source, &loader);
        let relative = |file: SourceFile| file.path.strip_prefix(folder).unwrap().display().to_string();
        (found.map(|found| found.into_iter().map(relative).collect()), said.into_inner())
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if name.ends_with("pdf") { "%PDF-1.7" } else { "text" }).unwrap();
        }
        folder
    }

    #[test]
    fn finds_files_folders_and_patterns_in_order() {
        let folder = folder(&["b.txt", "a.TXT", "c.md", "sub/deep/d.txt", "[1].txt", "e.py"]);
        let names = |pattern| find(folder.path(), pattern).0.unwrap();
        assert_eq!(names(""), ["[1].txt", "a.TXT", "b.txt", "c.md", "sub/deep/d.txt"]);
        assert_eq!(names("e.py"), ["e.py"]);
        assert_eq!(names("[1].txt"), ["[1].txt"]);
        assert_eq!(names("**/*.txt"), ["[1].txt", "b.txt", "sub/deep/d.txt"]);
        let error = |pattern| find(folder.path(), pattern).0.unwrap_err();
        assert!(matches!(error("*.pdf"), CorpusError::Nothing { .. }));
        assert!(matches!(error("a/***"), CorpusError::Pattern { .. }));
        assert!(matches!(error("missing.txt"), CorpusError::Io { .. }));
    }

    #[test]
    fn every_file_that_is_left_out_is_counted_and_named() {
        let folder = folder(&["a.txt", "._a.txt", ".git/b.txt", "c.pdf", "sub/d.txt.pdf", "e.py", "f.html"]);
        let (found, said) = find(folder.path(), "");
        assert_eq!(found.unwrap(), ["a.txt"]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].ends_with(": 6 files are left out:"), "{said}");
        for (line, beginning) in lines[1..].iter().zip([
            "  ._a.txt: a hidden file",
            "  .git/b.txt: a hidden file",
            "  c.pdf: a PDF; take its text: pdftotext",
            "  e.py: not named like a text",
            "  f.html: an HTML page; take its text: pandoc",
            "  sub/d.txt.pdf: a PDF",
        ]) {
            assert!(line.starts_with(beginning), "{line}");
        }
        let (found, said) = find(folder.path(), "*");
        assert_eq!(found.unwrap(), ["a.txt", "e.py"]);
        assert!(said.contains("3 files are left out"), "{said}");
        assert_eq!(find(folder.path(), ".*.txt").0.unwrap(), ["._a.txt"]);
    }

    #[test]
    fn the_only_file_is_read_or_the_error() {
        let folder = folder(&["c.pdf"]);
        for pattern in ["", "c.pdf", "*.pdf"] {
            let (found, said) = find(folder.path(), pattern);
            let error = found.unwrap_err().to_string();
            assert!(
                error.contains("c.pdf: it is a PDF; take its text: pdftotext") && said.is_empty(),
                "{error}"
            );
        }
        fs::write(folder.path().join(".hidden.txt"), "text").unwrap();
        let (found, said) = find(folder.path(), "");
        assert!(matches!(found.unwrap_err(), CorpusError::Nothing { .. }));
        assert!(said.contains("2 files are left out"), "{said}");
    }
}
