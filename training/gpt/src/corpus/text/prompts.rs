//! Example prompts from the texts that a model is trained on: it can be expected to continue them.

use std::ops::Range;

use artifact::Tokenizer;

use super::documents::Documents;
use super::file::TextFile;
use super::sink::DocumentSink;
use crate::corpus::error::CorpusError;
use crate::corpus::settings::CorpusSettings;

/// Number of prompts.
const PROMPTS: usize = 3;
/// Words in each of them.
const WORDS: usize = 4;
/// Four words are shorter than this, in bytes, in a language that has spaces between words.
const MAX_WORDS_BYTES: usize = 100;
/// Tokens in each of them, where there are no such words.
const TOKENS: usize = 16;
/// As much of a file as is looked at.
const HEAD_BYTES: usize = 1 << 20;

/// A file, and the parts of it that are read if that is not all.
pub type ReadFile<'a> = (&'a TextFile, Option<&'a [Range<u64>]>);

/// The beginnings of a few paragraphs from all over `files`: four words each, or as many tokens as that may have in a
/// language without spaces.
///
/// # Errors
/// If a file cannot be read.
pub fn example_prompts(
    files: &[ReadFile<'_>],
    settings: &CorpusSettings,
    tokenizer: &Tokenizer,
) -> Result<Vec<String>, CorpusError> {
    let (mut found, mut short) = (Vec::new(), Vec::new());
    for (file, bodies) in files.iter().step_by(step(files.len())) {
        let mut head = Head::default();
        let mut documents = Documents::open(file, settings, *bodies)?;
        while head.0.len() < HEAD_BYTES && documents.read(&mut head, None)? {}
        for paragraph in head.0.split("\n\n") {
            match opening(paragraph, tokenizer) {
                Opening::Prompt(prompt) => found.push(prompt),
                Opening::Short(text) if short.len() < PROMPTS => short.push(text),
                Opening::Short(_) | Opening::Nothing => {}
            }
        }
    }
    if found.is_empty() {
        return Ok(short);
    }
    let step = step(found.len());
    Ok(found.into_iter().step_by(step).collect())
}

/// Steps over `count` things that end after [`PROMPTS`].
fn step(count: usize) -> usize {
    count.div_ceil(PROMPTS).max(1)
}

/// The beginning of a paragraph.
enum Opening {
    Prompt(String),
    /// All of a paragraph that is shorter than a prompt, such as a title.
    Short(String),
    Nothing,
}

fn opening(paragraph: &str, tokenizer: &Tokenizer) -> Opening {
    let words: Vec<&str> = paragraph.split_whitespace().take(WORDS).collect();
    if words.len() == WORDS && words.iter().map(|word| word.len()).sum::<usize>() <= MAX_WORDS_BYTES {
        return Opening::Prompt(words.join(" "));
    }
    let text = paragraph.trim_start();
    // GPT-2 and tokenizers that are trained here have no longer token than 128 bytes.
    let text = &text[..text.floor_char_boundary(128 * TOKENS)];
    let ids = tokenizer.encode(text);
    let prompt = tokenizer.decode(&ids[..ids.len().min(TOKENS)]).unwrap_or_default();
    match prompt.trim() {
        "" => Opening::Nothing,
        prompt if ids.len() < TOKENS => Opening::Short(prompt.to_owned()),
        prompt => Opening::Prompt(prompt.to_owned()),
    }
}

/// The first documents, each a paragraph at least.
#[derive(Default)]
struct Head(String);

impl DocumentSink for Head {
    fn text(&mut self, text: &str) -> Result<(), CorpusError> {
        self.0.push_str(text);
        Ok(())
    }

    fn end(&mut self) -> Result<(), CorpusError> {
        self.0.push_str("\n\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::documents::tests::file;
    use super::*;

    fn prompts(texts: &[String]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let open = |(index, text): (usize, &String)| file(folder.path(), &index.to_string(), text.as_bytes());
        let files: Vec<TextFile> = texts.iter().enumerate().map(open).collect();
        let files: Vec<ReadFile<'_>> = files.iter().map(|file| (file, None)).collect();
        example_prompts(&files, &CorpusSettings::default(), &Tokenizer::gpt2().unwrap()).unwrap()
    }

    fn text(name: &str) -> String {
        (0..9).map(|i| format!("{name} {i} begins here and\ngoes on.\n\n")).collect()
    }

    #[test]
    fn takes_prompts_from_all_over_the_text() {
        assert_eq!(
            prompts(&[text("Paragraph")]),
            ["Paragraph 0 begins here", "Paragraph 3 begins here", "Paragraph 6 begins here"]
        );
        assert!(prompts(&[String::new()]).is_empty());
        assert!(prompts(&[" \n\n ".to_owned()]).is_empty());
        assert!(prompts(&[]).is_empty());
    }

    #[test]
    fn takes_prompts_from_all_over_the_documents() {
        let texts: Vec<String> = ('a'..='f').map(|name| text(&name.to_string())).collect();
        assert_eq!(prompts(&texts), ["a 0 begins here", "c 0 begins here", "e 0 begins here"]);
        assert_eq!(prompts(&["one two three four<|endoftext|>five six seven eight".to_owned()]).len(), 2);
    }

    #[test]
    fn languages_without_spaces_have_prompts_too() {
        let paragraphs =
            ["第一章\n\n", "他从街上走过来，没有人看见他。\n\n", "她坐在窗前，等了一个下午。\n\n"];
        assert_eq!(prompts(&[paragraphs.concat()]), ["他从街上走过来", "她坐在窗前，"]);
        // One paragraph, in Thai, and words that are no prompt but for want of others.
        let thai = "วันหนึ่งฉันเดินเข้าไปในป่า".repeat(50);
        assert!(thai.starts_with(&prompts(std::slice::from_ref(&thai))[0]));
        assert_eq!(prompts(&["Title\n\nOne word".to_owned()]), ["Title", "One word"]);
    }
}
