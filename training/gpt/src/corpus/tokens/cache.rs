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
use serde::{Deserialize, Serialize};
use store::AtomicFolder;

use super::encode::{Lengths, encode};
use super::ids::Tokens;
use super::shelf::{Damage, IdBytes, Shelf, Split};
use super::surveyed::Surveyed;
use super::token_bytes::TokenBytes;
use crate::corpus::error::CorpusError;
use crate::corpus::loader::Loader;
use crate::corpus::outline::{Contents, Repeated};
use crate::corpus::settings::CorpusSettings;
use crate::corpus::text::TextFile;

/// Raise this when the same files are to give other ids: how a text is read, cut or split.
const RULES: u32 = 2;

/// An encoded corpus.
#[derive(Debug)]
pub struct Encoded {
    /// The ids to train on.
    pub training: Tokens,
    /// The ids to validate with.
    pub validation: Tokens,
    /// Files and their documents.
    pub index: Index,
}

/// Index of an encoded corpus: its files, their documents, and the lengths of splits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// What is in each file.
    pub contents: Vec<Contents>,
    /// Identical documents.
    pub repeated: Repeated,
    /// Numbers of ids.
    pub lengths: Lengths,
}

/// Everything that the ids of a corpus depend on, as a digest.
fn key(
    loader: &Loader<'_>,
    tokenizer: &Sha256Hex,
    files: &[TextFile],
    settings: &CorpusSettings,
) -> Sha256Hex {
    let train_fraction = loader.train_fraction;
    let CorpusSettings { separator, text_field, deduplicate, .. } = settings;
    let mut recipe = format!(
        "rules {RULES}\ntokenizer {tokenizer}\ntrain {train_fraction}\nseparator {separator:?}\n\
         deduplicate {deduplicate}\n"
    );
    if files.iter().any(|file| !file.format().is_plain()) {
        recipe.push_str(&format!("field {text_field:?}\n"));
    }
    for file in files {
        let split = if file.is_validation() { "validation " } else { "" };
        recipe.push_str(&format!("{split}{} {}\n", file.format().identity(), file.sha256()));
    }
    Sha256Hex::of_bytes(recipe.as_bytes())
}

/// The ids of a corpus and their key, from the cache or, the first time, by encoding it.
///
/// # Errors
/// If a file cannot be read or the cache cannot be written.
pub fn encoded(
    loader: &Loader<'_>,
    tokenizer: &Tokenizer,
    files: &[TextFile],
    settings: &CorpusSettings,
) -> Result<(Sha256Hex, Encoded), CorpusError> {
    let digest = tokenizer.reference().sha256;
    let corpus = key(loader, &digest, files, settings);
    let folder = loader.cache.join(corpus.as_str());
    let id_bytes = IdBytes::of_vocabulary(tokenizer.vocab_size());
    let shelf = Shelf { folder, tokenizer: digest, corpus, id_bytes };
    let folder = &shelf.folder;
    fs::create_dir_all(loader.cache).map_err(CorpusError::cache(loader.cache))?;
    let _lock = lock(loader, &folder.with_extension("lock"))?;
    if folder.exists() {
        match open(&shelf, files.len(), tokenizer) {
            Ok(encoded) => return Ok((shelf.corpus, encoded)),
            Err(damage) => (loader.notify)(&format!("token cache {damage}; encoding the corpus again")),
        }
    }
    let staged = AtomicFolder::beside(folder).map_err(CorpusError::cache_path)?;
    let staged_shelf = Shelf { folder: staged.path().to_owned(), ..shelf.clone() };
    write(loader, tokenizer, files, settings, &staged_shelf)?;
    staged.commit_replacing(folder).map_err(CorpusError::cache_path)?;
    let encoded = open(&shelf, files.len(), tokenizer)
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

fn open(shelf: &Shelf, files: usize, tokenizer: &Tokenizer) -> Result<Encoded, Damage> {
    let path = &index_path(shelf);
    let contents = fs::read_to_string(path).map_err(Damage::io(path))?;
    let (digest, json) = contents.split_once('\n').unwrap_or_default();
    if digest != Sha256Hex::of_bytes(json.as_bytes()).as_str() {
        return Err(Damage::differs(path, "an index under its SHA-256", "something else: it is damaged"));
    }
    let index: Index = serde_json::from_str(json)
        .map_err(|error| Damage::differs(path, "an index of files and shards", error.to_string()))?;
    let found = index.contents.len().min(index.lengths.file_tokens.len());
    if found != files {
        return Err(Damage::differs(path, format!("{files} files"), found.to_string()));
    }
    let token_bytes = TokenBytes::of(tokenizer);
    Ok(Encoded {
        training: Tokens::open(shelf, Split::Training, index.lengths.training, token_bytes.clone())?,
        validation: Tokens::open(shelf, Split::Validation, index.lengths.validation, token_bytes)?,
        index,
    })
}

/// Encodes all files into an empty folder.
fn write(
    loader: &Loader<'_>,
    tokenizer: &Tokenizer,
    files: &[TextFile],
    settings: &CorpusSettings,
    shelf: &Shelf,
) -> Result<(), CorpusError> {
    let surveyed = Surveyed::of(loader, files, settings, &shelf.folder)?;
    let lengths = encode(&surveyed, settings, tokenizer, shelf)?;
    let Surveyed { contents, repeated, .. } = surveyed;
    let index = Index { contents, repeated, lengths };
    let path = index_path(shelf);
    let json = serde_json::to_string(&index).map_err(|error| CorpusError::cache(&path)(error.into()))?;
    let digest = Sha256Hex::of_bytes(json.as_bytes());
    fs::write(&path, format!("{digest}\n{json}")).map_err(CorpusError::cache(&path))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::corpus::text::documents::tests::file;

    /// Encodes texts and gives what was said meanwhile.
    fn encode_texts(cache: &Path, texts: &[&str], train_fraction: f64) -> (Sha256Hex, Encoded, String) {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        let said = RefCell::new(String::new());
        let loader = Loader {
            train_fraction,
            cache,
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|line| said.borrow_mut().push_str(line),
        };
        let open = |(index, text): (usize, &&str)| file(folder.path(), &index.to_string(), text.as_bytes());
        let files: Vec<TextFile> = texts.iter().enumerate().map(open).collect();
        let (key, encoded) = super::encoded(&loader, &tokenizer, &files, &CorpusSettings::default()).unwrap();
        (key, encoded, said.into_inner())
    }

    fn ids(tokens: &Tokens) -> Vec<u32> {
        tokens.read(0, tokens.count()).into_iter().map(|id| id as u32).collect()
    }

    #[test]
    fn a_single_document_is_cut_by_characters() {
        let cache = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        // Long enough for several chunks, and cut inside a word.
        let text = "It is a story. ".repeat(50_000);
        let (_, encoded, _) = encode_texts(cache.path(), &[&text], 0.50001);
        let (head, tail) = text.split_at((750_000.0 * 0.50001) as usize);
        assert!(head.ends_with("It is a"), "{}", &head[head.len() - 20..]);
        assert!(ids(&encoded.training) == tokenizer.encode(head));
        assert!(ids(&encoded.validation) == tokenizer.encode(tail));
        assert_eq!(encoded.index.lengths.file_tokens, [tokenizer.encode(&text).len() as u64]);
    }

    #[test]
    fn a_few_documents_are_in_both_splits_and_cut_between_words() {
        let cache = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        let texts =
            ["It is a story. ".repeat(50_000), String::new(), "a b c def g h i j".to_owned().repeat(40_000)];
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (_, encoded, _) = encode_texts(cache.path(), &borrowed, 0.90001);
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let cut = text[..=(text.len() as f64 * 0.90001) as usize].rfind(' ').unwrap();
            for (split, part) in [(&mut training, &text[..cut]), (&mut validation, &text[cut..])] {
                if !split.is_empty() {
                    split.push(artifact::tokenizer::END_OF_TEXT);
                }
                split.extend(tokenizer.encode(part));
            }
        }
        assert!(ids(&encoded.training) == training && ids(&encoded.validation) == validation);
        let lengths: Vec<u64> = texts.iter().map(|text| tokenizer.encode(text).len() as u64).collect();
        assert_eq!(encoded.index.lengths.file_tokens, lengths);
    }

    #[test]
    fn many_documents_stay_whole() {
        let cache = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        let poem =
            |number: usize| format!("Poem {number} is short and rhymes.\nIt ends after its second line.");
        let texts: Vec<String> = (10..40).map(poem).collect();
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (_, encoded, _) = encode_texts(cache.path(), &borrowed, 0.9);
        let documents = |tokens: &Tokens| -> Vec<String> {
            let ids = ids(tokens);
            let documents = ids.split(|id| *id == artifact::tokenizer::END_OF_TEXT);
            documents.map(|ids| tokenizer.decode(ids).unwrap()).collect()
        };
        let (training, validation) = (documents(&encoded.training), documents(&encoded.validation));
        assert_eq!((training.len(), validation.len()), (27, 3));
        let mut all = [training, validation.clone()].concat();
        all.sort();
        assert_eq!(all, texts);
        // Neither their order nor more of them moves a document that is there.
        let reversed: Vec<&str> = borrowed.iter().copied().rev().collect();
        let (_, encoded, _) = encode_texts(cache.path(), &reversed, 0.9);
        let again: Vec<String> = documents(&encoded.validation).into_iter().rev().collect();
        assert_eq!(again, validation);
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
            train_fraction: 0.9,
            cache: file.path(),
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|_| (),
        };
        let error =
            super::encoded(&loader, &tokenizer, &[], &CorpusSettings::default()).unwrap_err().to_string();
        assert!(error.contains("--cache DIR"), "{error}");
    }
}
