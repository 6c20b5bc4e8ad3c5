//! Normalisation of answers: two are the same if they differ in nothing but case, punctuation, articles and white space.
//!
//! As the evaluation of SQuAD does it, with typographic quotation marks as that of TriviaQA: lower case, no ASCII
//! punctuation, no `a`, `an` and `the`, words with one space between. What consists of nothing else keeps its articles, or
//! else its punctuation, so that the answer `A` of a choice by letter is not the same as none.

/// Quotation marks beyond ASCII that are left out.
const QUOTES: [char; 5] = ['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{b4}'];

/// Words that are left out.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// The words of an answer that count.
pub fn normalize(text: &str) -> Vec<String> {
    let words = words(text);
    let counting: Vec<String> = words.iter().filter(|word| !is_article(word)).cloned().collect();
    match (counting.is_empty(), words.is_empty()) {
        (false, _) => counting,
        (true, false) => words,
        (true, true) => text.to_lowercase().split_whitespace().map(str::to_owned).collect(),
    }
}

/// The number of words of a text that ends anywhere which are complete, and count whatever follows.
pub fn complete_words(text: &str) -> usize {
    let end = text.trim_end_matches(|character: char| !character.is_whitespace()).len();
    words(&text[..end]).iter().filter(|word| !is_article(word)).count()
}

fn words(text: &str) -> Vec<String> {
    let is_kept = |character: &char| !character.is_ascii_punctuation() && !QUOTES.contains(character);
    let text: String = text.to_lowercase().chars().filter(is_kept).collect();
    text.split_whitespace().map(str::to_owned).collect()
}

fn is_article(word: &str) -> bool {
    ARTICLES.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_articles_and_white_space_do_not_count() {
        for (text, expected) in [
            ("  The Cat's\n\"hat\". ", "cats hat"),
            ("twenty-two", "twentytwo"),
            ("an apple a day", "apple day"),
            ("\u{201c}Lorne\u{2019}s\u{201d}", "lornes"),
            ("theatre", "theatre"),
            ("ÉTÉ", "été"),
            // Nothing else would be left.
            ("A.", "a"),
            ("?!", "?!"),
            ("", ""),
        ] {
            assert_eq!(normalize(text).join(" "), expected, "{text:?}");
        }
        assert_ne!(normalize("A"), normalize("B"));
        assert_ne!(normalize("A"), normalize(""));
    }

    #[test]
    fn the_last_word_may_go_on() {
        for (text, expected) in
            [("", 0), ("cat", 0), ("cat ", 1), ("the cat sat", 1), ("a a a a ", 0), ("a -- b ", 1)]
        {
            assert_eq!(complete_words(text), expected, "{text:?}");
        }
    }
}
