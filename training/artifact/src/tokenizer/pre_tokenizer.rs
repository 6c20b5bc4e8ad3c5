//! Normalizer and pre-tokenizer: what becomes of a text before a byte-level tokenizer encodes its pieces.
//!
//! Most cut a text by one of the known [patterns](Pattern) and change nothing. Those of other libraries may normalize
//! Unicode, put a space before a text, and cut by several expressions one after the other; each then cuts the pieces of
//! the one before it, and what it does not match is a piece too.

use std::borrow::Cow;
use std::fmt;

use fancy_regex::Regex;
use unicode_normalization_alignments::UnicodeNormalization;

use super::error::UnsupportedTokenizer;
use super::pattern::Pattern;

/// Unicode normalization form (Unicode Standard Annex 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalizer {
    /// Characters composed.
    Nfc,
    /// Characters decomposed.
    Nfd,
    /// Composed, compatible characters replaced.
    Nfkc,
    /// Decomposed, compatible characters replaced.
    Nfkd,
}

impl Normalizer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nfc, Self::Nfd, Self::Nfkc, Self::Nfkd];

    fn normalize(self, text: &str) -> String {
        match self {
            Self::Nfc => text.nfc().map(|(character, _)| character).collect(),
            Self::Nfd => text.nfd().map(|(character, _)| character).collect(),
            Self::Nfkc => text.nfkc().map(|(character, _)| character).collect(),
            Self::Nfkd => text.nfkd().map(|(character, _)| character).collect(),
        }
    }
}

impl fmt::Display for Normalizer {
    /// Its name in Hugging Face's files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nfc => "NFC",
            Self::Nfd => "NFD",
            Self::Nfkc => "NFKC",
            Self::Nfkd => "NFKD",
        })
    }
}

/// What a tokenizer does to a text before it encodes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreTokenizer {
    /// How it normalizes the text.
    pub normalizer: Option<Normalizer>,
    /// Whether it puts a space before a text that begins without one.
    pub prefix_space: bool,
    /// Expressions by which it cuts first, one after the other.
    pub splits: Vec<String>,
    /// The pattern by which it cuts then.
    pub pattern: Option<Pattern>,
}

impl From<Pattern> for PreTokenizer {
    fn from(pattern: Pattern) -> Self {
        Self { pattern: Some(pattern), ..Self::default() }
    }
}

impl PreTokenizer {
    /// The pattern, if that is all.
    pub fn known(&self) -> Option<Pattern> {
        let is_plain = self.normalizer.is_none() && !self.prefix_space && self.splits.is_empty();
        self.pattern.filter(|_| is_plain)
    }

    /// All of it as one line of text.
    pub(super) fn recipe(&self) -> String {
        let Self { normalizer, prefix_space, splits, pattern } = self;
        let normalizer = normalizer.map(|normalizer| normalizer.to_string());
        serde_json::json!([normalizer, prefix_space, splits, pattern]).to_string()
    }
}

impl fmt::Display for PreTokenizer {
    /// In words, such as `split pattern gpt2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.normalizer.map(|normalizer| normalizer.to_string()));
        parts.extend(self.prefix_space.then(|| "a space before each text".to_owned()));
        if !self.splits.is_empty() {
            parts.push(format!("split patterns {}", self.splits.join(" and ")));
        }
        parts.extend(self.pattern.map(|pattern| format!("split pattern {pattern}")));
        f.write_str(&parts.join(", "))
    }
}

/// A text that is too long to be encoded as a whole is cut before white space that follows a word: here, for example.
const GAPS: [&str; 4] = ["word word", "word\nword", "word \n word", "words  words"];

/// A pre-tokenizer with its expressions compiled.
pub(super) struct Splitter {
    normalizer: Option<Normalizer>,
    prefix_space: bool,
    splits: Vec<Regex>,
}

impl Splitter {
    /// Compiles the expressions of a pre-tokenizer.
    ///
    /// # Errors
    /// If one does not compile, or they leave a word together with the white space after it.
    pub(super) fn new(pre_tokenizer: &PreTokenizer) -> Result<Self, UnsupportedTokenizer> {
        let PreTokenizer { normalizer, prefix_space, splits, pattern } = pre_tokenizer;
        let compile = |split: &String| {
            let invalid = |error| UnsupportedTokenizer(format!("its expression `{split}`: {error}"));
            Regex::new(split).map_err(invalid)
        };
        let splits = splits.iter().map(compile).collect::<Result<_, _>>()?;
        let splitter = Self { normalizer: *normalizer, prefix_space: *prefix_space, splits };
        let is_cut = |gap: &&str| {
            let joins =
                |piece: &&str| piece.contains(['d', 's']) && !piece.trim_start().ends_with(['d', 's']);
            !splitter.pieces(gap).iter().any(joins)
        };
        if pattern.is_none() && !GAPS.iter().all(is_cut) {
            let reason = format!("it leaves a word together with the white space after it ({pre_tokenizer})");
            return Err(UnsupportedTokenizer(reason));
        }
        Ok(splitter)
    }

    /// The text as it is encoded; `begins` says whether it is the beginning of a text.
    pub(super) fn normalized<'a>(&self, text: &'a str, begins: bool) -> Cow<'a, str> {
        let text = match self.normalizer {
            Some(normalizer) => Cow::Owned(normalizer.normalize(text)),
            None => Cow::Borrowed(text),
        };
        if self.prefix_space && begins && !text.is_empty() && !text.starts_with(' ') {
            return Cow::Owned(format!(" {text}"));
        }
        text
    }

    /// The pieces of a text, before the pattern cuts them further.
    pub(super) fn pieces<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let cut = |pieces: Vec<&'a str>, split: &Regex| {
            pieces.into_iter().flat_map(|piece| isolate(split, piece)).collect()
        };
        self.splits.iter().fold(vec![text], cut)
    }
}

/// The matches of an expression, and what is between them. Where matching takes too many steps, the rest of the text is
/// one piece.
fn isolate<'a>(split: &Regex, text: &'a str) -> Vec<&'a str> {
    let (mut pieces, mut end) = (Vec::new(), 0);
    for found in split.find_iter(text).map_while(Result::ok) {
        pieces.extend([&text[end..found.start()], found.as_str()]);
        end = found.end();
    }
    pieces.push(&text[end..]);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'a>(splits: &[&str], text: &'a str) -> Vec<&'a str> {
        let splits = splits.iter().map(|split| (*split).to_owned()).collect();
        Splitter::new(&PreTokenizer { splits, ..PreTokenizer::default() }).unwrap().pieces(text)
    }

    #[test]
    fn each_expression_cuts_the_pieces_of_the_one_before() {
        assert_eq!(pieces(&[], "a1"), ["a1"]);
        assert_eq!(pieces(&[r"\p{N}"], "a12 b"), ["a", "1", "2", " b"]);
        assert_eq!(pieces(&[r"\p{N}+", r"\s?\p{L}+"], "a12 b!"), ["a", "12", " b", "!"]);
        assert!(pieces(&["x"], "").is_empty());
        // A match without characters cuts nothing off.
        assert_eq!(pieces(&["x*"], "axb"), ["a", "x", "b"]);
    }

    #[test]
    fn expressions_are_refused_by_name() {
        let refusal = |split: &str| {
            let splits = vec![split.to_owned()];
            Splitter::new(&PreTokenizer { splits, ..PreTokenizer::default() }).err().map(|error| error.0)
        };
        assert_eq!(refusal(r"\s*\p{L}+"), None);
        assert!(refusal(r"\p{L}+\s*").is_some_and(|reason| reason.contains("together with the white space")));
        assert!(refusal("(").is_some_and(|reason| reason.contains("`(`")));
    }

    /// "é" decomposed is two characters, "ﬁ" is compatible with two letters.
    #[test]
    fn texts_are_normalized_and_begin_with_a_space() {
        let normalized = |normalizer, text, begins| {
            let pre_tokenizer = PreTokenizer { normalizer, prefix_space: true, ..PreTokenizer::default() };
            Splitter::new(&pre_tokenizer).unwrap().normalized(text, begins).into_owned()
        };
        assert_eq!(normalized(None, "e\u{301}ﬁ", true), " e\u{301}ﬁ");
        assert_eq!(normalized(Some(Normalizer::Nfc), "e\u{301}ﬁ", true), " éﬁ");
        assert_eq!(normalized(Some(Normalizer::Nfkd), "éﬁ", false), "e\u{301}fi");
        assert_eq!(normalized(None, " a", true), " a");
        assert_eq!(normalized(None, "", true), "");
    }

    #[test]
    fn only_a_pattern_by_itself_is_known() {
        let plain = PreTokenizer::from(Pattern::Gpt2);
        assert_eq!((plain.known(), plain.to_string().as_str()), (Some(Pattern::Gpt2), "split pattern gpt2"));
        let spaced = PreTokenizer { prefix_space: true, ..plain.clone() };
        assert_eq!(spaced.to_string(), "a space before each text, split pattern gpt2");
        for other in [
            spaced,
            PreTokenizer { normalizer: Some(Normalizer::Nfc), ..plain.clone() },
            PreTokenizer { splits: vec!["x".to_owned()], ..plain },
            PreTokenizer::default(),
        ] {
            assert_eq!(other.known(), None);
        }
    }
}
