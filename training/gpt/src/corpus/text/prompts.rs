//! Example prompts from the texts that a model is trained on: it can be expected to continue them.

use super::document::Document;
use crate::corpus::error::CorpusError;

/// Number of prompts.
const PROMPTS: usize = 3;
/// Words in each of them.
const WORDS: usize = 4;
/// As much of a document as is looked at.
const HEAD_BYTES: usize = 1 << 20;

/// The first words of a few paragraphs from all over `documents`.
///
/// # Errors
/// If a document cannot be read.
pub fn example_prompts(documents: &[Document]) -> Result<Vec<String>, CorpusError> {
    let mut found = Vec::new();
    for document in documents.iter().step_by(step(documents.len())) {
        let mut head = String::new();
        let mut reader = document.open()?;
        while head.len() < HEAD_BYTES && reader.read_block(&mut head)? {}
        found.extend(openings(&head));
    }
    let step = step(found.len());
    Ok(found.into_iter().step_by(step).collect())
}

/// Steps over `count` things that end after [`PROMPTS`].
fn step(count: usize) -> usize {
    count.div_ceil(PROMPTS).max(1)
}

/// The first words of each paragraph.
fn openings(text: &str) -> impl Iterator<Item = String> {
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().take(WORDS).collect::<Vec<_>>())
        .filter(|words| words.len() == WORDS)
        .map(|words| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(texts: &[String]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let scan = |(index, text): (usize, &String)| {
            let path = folder.path().join(index.to_string());
            std::fs::write(&path, text).unwrap();
            Document::scan(&path).unwrap()
        };
        example_prompts(&texts.iter().enumerate().map(scan).collect::<Vec<_>>()).unwrap()
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
        assert!(prompts(&[]).is_empty());
    }

    #[test]
    fn takes_prompts_from_all_over_the_documents() {
        let texts: Vec<String> = ('a'..='f').map(|name| text(&name.to_string())).collect();
        assert_eq!(prompts(&texts), ["a 0 begins here", "c 0 begins here", "e 0 begins here"]);
    }
}
