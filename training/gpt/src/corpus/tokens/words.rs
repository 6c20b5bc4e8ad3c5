//! Word counts of a corpus, on which a tokenizer is trained: streamed, in memory that does not grow with the corpus.
//!
//! A *word* is a piece of text as a split pattern cuts it, such as ` word` with the space before it. Where there are too
//! many different ones, the rarest are forgotten: pairs of bytes that matter are in the others. This happens at the same
//! places whatever the number of cores, so that the same corpus gives the same counts.

use std::collections::HashMap;

use artifact::tokenizer::Pattern;
use fancy_regex::Regex;
use rayon::prelude::*;

use super::chunks::Chunk;
use super::encode::{BYTES_PER_CORE, MAX_CHUNKS};
use super::surveyed::{ChunkSink, Surveyed};
use crate::corpus::error::CorpusError;
use crate::corpus::loader::Loader;
use crate::corpus::settings::CorpusSettings;
use crate::corpus::text::TextFile;

/// Different words that are remembered.
const MAX_WORDS: usize = 1 << 21;
/// Bytes of different words that are remembered.
const MAX_WORD_BYTES: usize = 1 << 26;

/// Words and how often they occur.
#[derive(Debug, Default)]
pub struct WordCounts {
    counts: HashMap<Box<str>, u64>,
    /// Length of all different words.
    word_bytes: usize,
    /// Length of the text.
    text_bytes: u64,
}

impl WordCounts {
    /// Length of the counted text in bytes.
    pub fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Each word, and how often it occurs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(word, &count)| (&**word, count))
    }

    fn add(&mut self, words: HashMap<&str, u64>, text_bytes: usize, max_words: usize) {
        self.text_bytes += text_bytes as u64;
        for (word, count) in words {
            match self.counts.get_mut(word) {
                Some(known) => *known += count,
                None => {
                    self.word_bytes += word.len();
                    self.counts.insert(word.into(), count);
                }
            }
        }
        if self.counts.len() > max_words || self.word_bytes > MAX_WORD_BYTES {
            self.forget_rarest(max_words);
        }
    }

    /// Forgets more and more frequent words, until half of the room is free.
    fn forget_rarest(&mut self, max_words: usize) {
        let mut limit = 1;
        while self.counts.len() > max_words / 2 || self.word_bytes > MAX_WORD_BYTES / 2 {
            self.counts.retain(|_, count| *count > limit);
            self.word_bytes = self.counts.keys().map(|word| word.len()).sum();
            limit *= 2;
        }
    }
}

/// Counts the words of the training part of a corpus.
///
/// # Errors
/// If a file cannot be read or the cache cannot be written.
pub fn count_words(
    loader: &Loader<'_>,
    files: &[TextFile],
    settings: &CorpusSettings,
    pattern: Pattern,
) -> Result<WordCounts, CorpusError> {
    std::fs::create_dir_all(loader.cache).map_err(CorpusError::cache(loader.cache))?;
    let folder = tempfile::tempdir_in(loader.cache).map_err(CorpusError::cache(loader.cache))?;
    let corpus = Surveyed::of(loader, files, settings, folder.path())?;
    let mut counter = WordCounter::new(pattern, MAX_WORDS)?;
    corpus.read_chunks(settings, Some(pattern), &mut counter)?;
    counter.finish()
}

/// Counts the words of chunks. Those of a batch are split side by side.
struct WordCounter {
    expression: Regex,
    max_words: usize,
    counts: WordCounts,
    batch: Vec<Chunk>,
    batch_bytes: usize,
}

impl WordCounter {
    fn new(pattern: Pattern, max_words: usize) -> Result<Self, CorpusError> {
        let expression = Regex::new(pattern.expression_to_run()).map_err(CorpusError::words)?;
        Ok(Self { expression, max_words, counts: WordCounts::default(), batch: Vec::new(), batch_bytes: 0 })
    }

    fn count_batch(&mut self) -> Result<(), CorpusError> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let texts = batch.par_iter().map(|chunk| &chunk.text[..chunk.border]);
        // Each thread has its own expression, since its matches share memory.
        let counted: Vec<_> = texts
            .map_init(
                || self.expression.clone(),
                |expression, text| Ok((words(expression, text)?, text.len())),
            )
            .collect::<Result<_, CorpusError>>()?;
        for (words, text_bytes) in counted {
            self.counts.add(words, text_bytes, self.max_words);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<WordCounts, CorpusError> {
        self.count_batch()?;
        Ok(self.counts)
    }
}

impl ChunkSink for WordCounter {
    fn push(&mut self, chunk: Chunk) -> Result<(), CorpusError> {
        if chunk.border == 0 {
            return Ok(());
        }
        self.batch_bytes += chunk.text.len();
        self.batch.push(chunk);
        let is_full = self.batch_bytes >= BYTES_PER_CORE * rayon::current_num_threads();
        if is_full || self.batch.len() == MAX_CHUNKS { self.count_batch() } else { Ok(()) }
    }
}

fn words<'a>(expression: &Regex, text: &'a str) -> Result<HashMap<&'a str, u64>, CorpusError> {
    let mut counts = HashMap::new();
    for found in expression.find_iter(text) {
        *counts.entry(found.map_err(CorpusError::words)?.as_str()).or_default() += 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::corpus::text::documents::tests::file;

    fn count(texts: &[String], train_fraction: f64, threads: usize) -> WordCounts {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let open = |(index, text): (usize, &String)| file(folder.path(), &index.to_string(), text.as_bytes());
        let files: Vec<TextFile> = texts.iter().enumerate().map(open).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let counts = pool.install(|| {
            let (cache, fetch_s3) = (&cache, &|_: &str, _: &std::path::Path| Ok(Vec::new()));
            let loader = Loader { train_fraction, cache, fetch_s3, notify: &|_| () };
            count_words(&loader, &files, &CorpusSettings::default(), Pattern::Gpt2).unwrap()
        });
        assert_eq!(std::fs::read_dir(cache).unwrap().count(), 0);
        counts
    }

    fn sorted(counts: &WordCounts) -> BTreeMap<&str, u64> {
        counts.iter().collect()
    }

    #[test]
    fn only_what_is_trained_on_is_counted() {
        let counts = count(&["It is it. It is tested!".to_owned()], 0.53, 1);
        // The first 12 of 23 characters.
        assert_eq!(sorted(&counts), [("It", 1), (" is", 1), (" it", 1), (".", 1), (" It", 1)].into());
        assert_eq!(counts.text_bytes(), 12);
    }

    #[test]
    fn counts_do_not_depend_on_threads() {
        let text: String = (0..60_000).map(|number| format!("Word {} of it.\n", number % 997)).collect();
        let texts = [text.clone(), "短い。".repeat(20_000), text];
        let [one, four] = [1, 4].map(|threads| count(&texts, 0.9, threads));
        assert_eq!(sorted(&one), sorted(&four));
        assert!(one.iter().any(|(word, _)| word == " 996"));
    }

    #[test]
    fn the_rarest_words_are_forgotten_where_there_are_too_many() {
        let mut counts = WordCounts::default();
        let often = (0..4).map(|index| (["a", "b", "c", "d"][index], 5 + index as u64));
        let names: Vec<String> = (0..20).map(|index| format!("rare{index}")).collect();
        let rare = names.iter().map(|name| (name.as_str(), 1));
        counts.add(often.clone().chain(rare).collect(), 100, 16);
        assert_eq!(sorted(&counts), often.collect());
        assert_eq!((counts.word_bytes, counts.text_bytes), (4, 100));
    }
}
