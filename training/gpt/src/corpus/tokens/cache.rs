//! Token cache: a corpus is encoded once.
//!
//! ```text
//! <cache>/<key>/index                    documents and shards, after its own SHA-256
//! <cache>/<key>/training-00000.tokens    shards, see [`super::shelf`]
//! <cache>/<key>/validation-00000.tokens
//! ```
//!
//! The key is a digest of everything that the ids depend on. A folder appears when it is complete, and
//! one that is found damaged is replaced.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use artifact::{Sha256Hex, Tokenizer};
use store::AtomicFolder;

use super::encode::{Index, encode};
use super::ids::Tokens;
use super::shelf::{Damage, Shelf, Split};
use crate::corpus::error::CorpusError;
use crate::corpus::loader::Loader;
use crate::corpus::text::Document;

/// Raise this when the same files are to give other ids: how a text is read, cut or split.
const RULES: u32 = 1;

/// An encoded corpus.
#[derive(Debug)]
pub struct Encoded {
    /// The ids to train on.
    pub training: Tokens,
    /// The ids to validate with.
    pub validation: Tokens,
    /// Length of each document in ids.
    pub document_tokens: Vec<u64>,
}

/// Everything that the ids of a corpus depend on, as a digest.
fn key(documents: &[Document], tokenizer: &Tokenizer, train_fraction: f64) -> Sha256Hex {
    let mut recipe =
        format!("rules {RULES}\ntokenizer {}\ntrain {train_fraction}\n", tokenizer.reference().sha256);
    for document in documents {
        recipe.push_str(document.sha256().as_str());
        recipe.push('\n');
    }
    Sha256Hex::of_bytes(recipe.as_bytes())
}

/// The ids of a corpus and their key, from the cache or, the first time, by encoding it.
///
/// # Errors
/// If a document cannot be read or the cache cannot be written.
pub fn encoded(loader: &Loader<'_>, documents: &[Document]) -> Result<(Sha256Hex, Encoded), CorpusError> {
    let corpus = key(documents, loader.tokenizer, loader.train_fraction);
    let folder = loader.cache.join(corpus.as_str());
    let shelf = Shelf { folder, tokenizer: loader.tokenizer.reference().sha256, corpus };
    let folder = &shelf.folder;
    fs::create_dir_all(loader.cache).map_err(CorpusError::cache(loader.cache))?;
    let _lock = lock(loader, &folder.with_extension("lock"))?;
    if folder.exists() {
        match open(&shelf, documents.len()) {
            Ok(encoded) => return Ok((shelf.corpus, encoded)),
            Err(damage) => (loader.notify)(&format!("token cache {damage}; encoding the corpus again")),
        }
    }
    let staged = AtomicFolder::beside(folder).map_err(CorpusError::cache_path)?;
    write(loader, documents, &Shelf { folder: staged.path().to_owned(), ..shelf.clone() })?;
    staged.commit_replacing(folder).map_err(CorpusError::cache_path)?;
    let encoded = open(&shelf, documents.len())
        .map_err(|damage| CorpusError::Damaged { path: folder.clone(), damage: damage.to_string() })?;
    Ok((shelf.corpus, encoded))
}

/// Waits until no other run works on this corpus.
fn lock(loader: &Loader<'_>, path: &Path) -> Result<File, CorpusError> {
    let file = File::create(path).map_err(CorpusError::cache(path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => (loader.notify)("waiting for another run that encodes this corpus"),
        Err(TryLockError::Error(error)) => return Err(CorpusError::cache(path)(error)),
    }
    file.lock().map_err(CorpusError::cache(path))?;
    Ok(file)
}

fn index_path(shelf: &Shelf) -> PathBuf {
    shelf.folder.join("index")
}

fn open(shelf: &Shelf, documents: usize) -> Result<Encoded, Damage> {
    let path = &index_path(shelf);
    let contents = fs::read_to_string(path).map_err(Damage::io(path))?;
    let (digest, json) = contents.split_once('\n').unwrap_or_default();
    if digest != Sha256Hex::of_bytes(json.as_bytes()).as_str() {
        return Err(Damage::differs(path, "an index under its SHA-256", "something else: it is damaged"));
    }
    let Index { document_tokens, training, validation } = serde_json::from_str(json)
        .map_err(|error| Damage::differs(path, "an index of documents and shards", error.to_string()))?;
    if document_tokens.len() != documents {
        let (expected, found) = (format!("{documents} documents"), document_tokens.len().to_string());
        return Err(Damage::differs(path, expected, found));
    }
    Ok(Encoded {
        training: Tokens::open(shelf, Split::Training, training)?,
        validation: Tokens::open(shelf, Split::Validation, validation)?,
        document_tokens,
    })
}

/// Encodes all documents into an empty folder.
fn write(loader: &Loader<'_>, documents: &[Document], shelf: &Shelf) -> Result<(), CorpusError> {
    let index = encode(documents, loader.tokenizer, loader.train_fraction, shelf)?;
    let path = index_path(shelf);
    let json = serde_json::to_string(&index).map_err(|error| CorpusError::cache(&path)(error.into()))?;
    let digest = Sha256Hex::of_bytes(json.as_bytes());
    fs::write(&path, format!("{digest}\n{json}")).map_err(CorpusError::cache(&path))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Encodes texts and gives what was said meanwhile.
    fn encode_texts(cache: &Path, texts: &[&str], train_fraction: f64) -> (Sha256Hex, Encoded, String) {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        let said = RefCell::new(String::new());
        let loader = Loader {
            tokenizer: &tokenizer,
            train_fraction,
            cache,
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|line| said.borrow_mut().push_str(line),
        };
        let scan = |(index, text): (usize, &&str)| {
            let path = folder.path().join(index.to_string());
            fs::write(&path, text).unwrap();
            Document::scan(&path).unwrap()
        };
        let documents: Vec<Document> = texts.iter().enumerate().map(scan).collect();
        let (key, encoded) = super::encoded(&loader, &documents).unwrap();
        (key, encoded, said.into_inner())
    }

    fn ids(tokens: &Tokens) -> Vec<u32> {
        tokens.read(0, tokens.count()).into_iter().map(|id| id as u32).collect()
    }

    #[test]
    fn each_document_is_in_both_splits() {
        let cache = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        // Long enough for several chunks, and cut inside a word.
        let texts = [
            "It is a story. ".repeat(50_000),
            "é".to_owned(),
            String::new(),
            "a b c d e f g h i j".to_owned(),
        ];
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (_, encoded, _) = encode_texts(cache.path(), &borrowed, 0.5001);
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for text in &texts {
            let characters: Vec<char> = text.chars().collect();
            let (head, tail) = characters.split_at((characters.len() as f64 * 0.5001) as usize);
            for (split, part) in [(&mut training, head), (&mut validation, tail)] {
                let part = tokenizer.encode(&part.iter().collect::<String>());
                if !part.is_empty() && !split.is_empty() {
                    split.push(artifact::tokenizer::END_OF_TEXT);
                }
                split.extend(part);
            }
        }
        assert_eq!(ids(&encoded.training), training);
        assert_eq!(ids(&encoded.validation), validation);
        let lengths: Vec<u64> = texts.iter().map(|text| tokenizer.encode(text).len() as u64).collect();
        assert_eq!(encoded.document_tokens, lengths);
    }

    #[test]
    fn a_corpus_is_encoded_once_and_another_one_elsewhere() {
        let cache = tempfile::tempdir().unwrap();
        let (key, first, _) = encode_texts(cache.path(), &["one text", "two"], 0.5);
        let shard = cache.path().join(key.as_str()).join("training-00000.tokens");
        let written = fs::metadata(&shard).unwrap().modified().unwrap();
        let (again, second, said) = encode_texts(cache.path(), &["one text", "two"], 0.5);
        assert_eq!((&again, said), (&key, String::new()));
        assert_eq!(fs::metadata(&shard).unwrap().modified().unwrap(), written);
        assert_eq!(ids(&first.training), ids(&second.training));
        for (texts, train_fraction) in [(["two", "one text"], 0.5), (["one text", "two"], 0.6)] {
            assert_ne!(encode_texts(cache.path(), &texts, train_fraction).0, key);
        }
    }

    #[test]
    fn what_is_damaged_or_was_left_unfinished_is_written_anew() {
        let cache = tempfile::tempdir().unwrap();
        let (key, sound, _) = encode_texts(cache.path(), &["one text", "two"], 0.5);
        let folder = cache.path().join(key.as_str());
        for name in ["index", "training-00000.tokens", "validation-00000.tokens"] {
            let path = folder.join(name);
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
            let leftover = cache.path().join(".troelsllm-partial-of-a-killed-run");
            fs::create_dir(&leftover).unwrap();
            let (_, encoded, said) = encode_texts(cache.path(), &["one text", "two"], 0.5);
            assert!(said.contains(name) && said.contains("encoding the corpus again"), "{said}");
            assert_eq!(ids(&encoded.training), ids(&sound.training));
            assert!(!leftover.exists());
        }
        fs::remove_file(folder.join("index")).unwrap();
        assert!(encode_texts(cache.path(), &["one text", "two"], 0.5).2.contains("index"));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_an_error_that_says_what_to_pass() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        let loader = Loader {
            tokenizer: &tokenizer,
            train_fraction: 0.9,
            cache: file.path(),
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|_| (),
        };
        let error = super::encoded(&loader, &[]).unwrap_err().to_string();
        assert!(error.contains("--cache DIR"), "{error}");
    }
}
