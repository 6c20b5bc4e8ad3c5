//! Chunks of a document whose ids, one after the other, are the ids of the whole document.
//!
//! A tokenizer first splits a text into pieces and then encodes each piece by itself. GPT-2's pieces are the
//! matches of
//!
//! ```text
//! '(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s
//! ```
//!
//! So there are four kinds of characters: white space, letters, digits and others. A text may be cut
//!
//! - before white space that follows another character, since a piece has white space only as its first
//!   character, or consists of nothing else;
//! - between characters of two kinds that are no white space, since a piece has such of one kind only: but not
//!   after an apostrophe, which may begin a contraction.
//!
//! Before the cut, no match changes: none reaches beyond it, and the two that look ahead (`$` and `(?!\S)`) look
//! at what follows white space, which is still there, as the chunk ends in another character. After
//! the cut, none changes either, since the expression never looks back.
//!
//! The second rule is for languages without spaces: Chinese is cut at its punctuation, Thai at the marks of vowels and
//! tones, which are no letters to the expression.
//!
//! The newer patterns of [`Pattern`] keep a sign with the letters after it, line ends with the signs before them, digits
//! in groups, and `o200k` marks and contractions with the letters before them. With these a text may be cut
//!
//! - before white space that follows another character, unless it is a line end after a sign;
//! - between a letter and a sign: but not an apostrophe, and no mark.
//!
//! With any other pre-tokenizer, a text is cut before white space that follows a letter: one that leaves these together
//! is refused. What normalizes texts leaves white space and what is before it apart.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use artifact::tokenizer::Pattern;
use regex::Regex;

use crate::corpus::error::CorpusError;
use crate::corpus::outline::Placement;

/// A chunk is cut as soon as it is this long. Cores work on several at a time.
pub const CHUNK_BYTES: usize = 1 << 17;

/// A text that cannot be cut for so long is refused: memory is bounded, and the matcher of the
/// expression above gives up at a million characters of white space.
const MAX_CHUNK_BYTES: usize = 1 << 19;

/// A border may move back so far to the end of a paragraph or line.
const MAX_GAP_BYTES: usize = 1 << 12;

/// A part of a document.
#[derive(Debug, PartialEq)]
pub struct Chunk {
    /// The file's place in the corpus.
    pub file: usize,
    /// Whether the document begins with it.
    pub is_first: bool,
    /// The text.
    pub text: String,
    /// Border between training and validation in `text`, in bytes.
    pub border: usize,
}

/// Cuts a document into chunks while it goes by.
pub struct Chunker {
    file: usize,
    path: PathBuf,
    /// Text that has gone by and not been handed out.
    text: String,
    /// Bytes that have been handed out.
    bytes: u64,
    /// Characters that have been handed out.
    characters: u64,
    /// Characters to train on.
    training_characters: u64,
    moves_to_a_gap: bool,
    pattern: Option<Pattern>,
}

impl Chunker {
    /// Cuts a document of the file at `path`, whose place in the corpus is `file`, for tokenizers with this pattern,
    /// or with another pre-tokenizer.
    pub fn new(file: usize, path: &Path, placement: Placement, pattern: Option<Pattern>) -> Self {
        let (training_characters, moves_to_a_gap) = match placement {
            Placement::Training => (u64::MAX, false),
            Placement::Validation | Placement::LeftOut => (0, false),
            Placement::Cut { training_characters, moves_to_a_gap } => (training_characters, moves_to_a_gap),
        };
        Self {
            file,
            path: path.to_owned(),
            text: String::new(),
            bytes: 0,
            characters: 0,
            training_characters,
            moves_to_a_gap,
            pattern,
        }
    }

    /// Reads on, at most 64 KiB or so, and hands out a chunk if one is complete.
    ///
    /// # Errors
    /// If the text can be cut nowhere.
    pub fn push(&mut self, text: &str) -> Result<Option<Chunk>, CorpusError> {
        self.text.push_str(text);
        if self.text.len() < CHUNK_BYTES {
            return Ok(None);
        }
        if let Some(cut) = last_cut(&self.text, self.pattern) {
            let rest = self.text.split_off(cut);
            return Ok(Some(self.hand_out(rest)));
        }
        self.check_length()?;
        Ok(None)
    }

    /// The last chunk, if there is one, and the length of the document in characters.
    ///
    /// # Errors
    /// If the text can be cut nowhere.
    pub fn finish(mut self) -> Result<(Option<Chunk>, u64), CorpusError> {
        self.check_length()?;
        let last = (!self.text.is_empty()).then(|| self.hand_out(String::new()));
        Ok((last, self.characters))
    }

    /// Hands out the text that has gone by, and goes on with `rest`.
    fn hand_out(&mut self, rest: String) -> Chunk {
        let text = std::mem::replace(&mut self.text, rest);
        let training = self.training_characters.saturating_sub(self.characters);
        let is_first = self.bytes == 0;
        let mut border = text.char_indices().nth(training as usize).map_or(text.len(), |(offset, _)| offset);
        if self.moves_to_a_gap && border < text.len() {
            border = gap_before(&text, border);
        }
        self.bytes += text.len() as u64;
        self.characters += text.chars().count() as u64;
        Chunk { file: self.file, is_first, text, border }
    }

    fn check_length(&self) -> Result<(), CorpusError> {
        if self.text.len() <= MAX_CHUNK_BYTES {
            return Ok(());
        }
        Err(CorpusError::NoWordEnds { path: self.path.clone(), offset: self.bytes, length: MAX_CHUNK_BYTES })
    }
}

/// The end of the last paragraph before `border`, if it is near, else of the last line, else of the last word.
fn gap_before(text: &str, border: usize) -> usize {
    let near = text.floor_char_boundary(border.saturating_sub(MAX_GAP_BYTES.min(border / 4)));
    // The border may be at the end of a word already.
    let next = text[border..].chars().next().filter(|next| next.is_whitespace()).map_or(0, char::len_utf8);
    let end = border + next;
    let last = |gap: &str| text[near..end].rfind(gap).map(|offset| near + offset);
    let gap = last("\n\n").or_else(|| last("\n")).or_else(|| text[..end].rfind(char::is_whitespace));
    gap.map(|gap| text[..gap].trim_end().len()).filter(|end| *end > 0).unwrap_or(border)
}

/// Kinds of characters in the expression above.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Space,
    Letter,
    Digit,
    Other,
}

impl Kind {
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | 'A'..='Z' => Self::Letter,
            '0'..='9' => Self::Digit,
            _ if character.is_whitespace() => Self::Space,
            _ if character.is_ascii() => Self::Other,
            _ => {
                let mut bytes = [0; 4];
                let text = character.encode_utf8(&mut bytes);
                match &*KINDS {
                    [letter, ..] if letter.is_match(text) => Self::Letter,
                    [_, digit, _] if digit.is_match(text) => Self::Digit,
                    _ => Self::Other,
                }
            }
        }
    }
}

/// Letters, digits and marks as the expressions have them, which are not those of `char`.
static KINDS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "they are constants, and a test uses them")]
    let expression = |text| Regex::new(text).expect("a valid expression");
    [r"^\p{L}", r"^\p{N}", r"^\p{M}"].map(expression)
});

/// The last place where `text` may be cut.
fn last_cut(text: &str, pattern: Option<Pattern>) -> Option<usize> {
    let mut after = None;
    for (offset, character) in text.char_indices().rev() {
        let before = (character, Kind::of(character));
        if let Some(after) = after
            && match pattern {
                Some(Pattern::Gpt2) => may_be_cut(before, after),
                Some(Pattern::Cl100k | Pattern::Qwen2 | Pattern::O200k) => newer_may_be_cut(before, after),
                None => before.1 == Kind::Letter && after.1 == Kind::Space,
            }
        {
            return Some(offset + character.len_utf8());
        }
        after = Some(before);
    }
    None
}

/// Whether a text may be cut between two characters for GPT-2's pattern.
fn may_be_cut((character, kind): (char, Kind), (_, after): (char, Kind)) -> bool {
    kind != Kind::Space && kind != after && !(character == '\'' && after == Kind::Letter)
}

/// The same for the newer patterns.
fn newer_may_be_cut((_, kind): (char, Kind), (next, after): (char, Kind)) -> bool {
    match (kind, after) {
        (Kind::Space, _) => false,
        (_, Kind::Space) => kind != Kind::Other || !matches!(next, '\r' | '\n'),
        (Kind::Letter, Kind::Other) => {
            let mut bytes = [0; 4];
            next != '\'' && (next.is_ascii() || !KINDS[2].is_match(next.encode_utf8(&mut bytes)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use artifact::Tokenizer;
    use artifact::tokenizer::Bpe;
    use artifact::tokenizer::file::TokenizerFile;
    use artifact::tokenizer::json::tokenizer_json;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::gpt2().unwrap());

    /// For each pattern one that has a token for most pieces, so that other pieces are other ids.
    static TOKENIZERS: LazyLock<Vec<(Option<Pattern>, Tokenizer)>> = LazyLock::new(|| {
        let bytes: Vec<_> = (256..50_256).map(|id| TOKENIZER.decode_bytes(&[id]).unwrap()).collect();
        let tokenizer = |pattern| Tokenizer::new(Bpe::trained(pattern, bytes.clone())).unwrap();
        let known = Pattern::ALL.map(|pattern| (Some(pattern), tokenizer(pattern)));
        let other = others(&known[0].1).map(|tokenizer| (None, tokenizer));
        known.into_iter().chain(other).collect()
    });

    /// Tokenizers that do more to a text before than to cut it by a known pattern.
    fn others(tokenizer: &Tokenizer) -> [Tokenizer; 3] {
        let json: Value = serde_json::from_slice(&tokenizer_json(tokenizer)).unwrap();
        let byte_level =
            |space, regex| json!({"type": "ByteLevel", "add_prefix_space": space, "use_regex": regex});
        let words = json!({"type": "Split", "pattern": {"Regex": r"\s?\p{L}+"}, "behavior": "Isolated"});
        let steps = json!([words, {"type": "Digits", "individual_digits": true}, byte_level(false, false)]);
        [
            (Value::Null, byte_level(true, true)),
            (json!({"type": "NFC"}), byte_level(false, true)),
            (Value::Null, json!({"type": "Sequence", "pretokenizers": steps})),
        ]
        .map(|(normalizer, pre_tokenizer)| {
            let mut json = json.clone();
            (json["normalizer"], json["pre_tokenizer"]) = (normalizer, pre_tokenizer);
            let file = TokenizerFile::from_json(json.to_string().as_bytes()).unwrap();
            Tokenizer::new(file.imported().unwrap()).unwrap()
        })
    }

    /// The chunks of a text that comes in blocks.
    fn chunks(text: &str, placement: Placement) -> Result<Vec<Chunk>, CorpusError> {
        let mut chunker = Chunker::new(7, Path::new("a.txt"), placement, Some(Pattern::Gpt2));
        let (mut chunks, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest.floor_char_boundary(1 << 16));
            chunks.extend(chunker.push(block)?);
            rest = after;
        }
        let (last, characters) = chunker.finish()?;
        assert_eq!(characters, text.chars().count() as u64);
        chunks.extend(last);
        Ok(chunks)
    }

    fn ids(chunks: &[Chunk]) -> Vec<u32> {
        chunks.iter().flat_map(|chunk| TOKENIZER.encode(&chunk.text)).collect()
    }

    fn cut(training_characters: u64, moves_to_a_gap: bool) -> Placement {
        Placement::Cut { training_characters, moves_to_a_gap }
    }

    #[test]
    fn cuts_before_white_space_and_between_kinds_of_characters() {
        for (text, expected) in [
            ("one two", Some("one")),
            ("one  \n two  ", Some("one  \n two")),
            ("one", None),
            ("  \n one", None),
            ("  \n ", None),
            ("", None),
            ("été\u{3000}", Some("été")),
            ("one, two", Some("one,")),
            ("one,two", Some("one,")),
            ("it's", Some("it")),
            ("'s", None),
            ("a1", Some("a")),
            ("他走了。她", Some("他走了。")),
            ("กำ", None),
            ("กี่", Some("ก")),
        ] {
            assert_eq!(last_cut(text, Some(Pattern::Gpt2)).map(|cut| &text[..cut]), expected, "{text:?}");
        }
    }

    #[test]
    fn chunks_are_the_text_and_meet_the_border_between_training_and_validation() {
        let text = "é word's 12  \n\n".repeat(40_000);
        // 15 characters, of which 9 in 10 are in the first 36,000 repetitions.
        let chunks = chunks(&text, cut(15 * 36_000, false)).unwrap();
        assert!(chunks.len() >= 4, "{}", chunks.len());
        assert!(
            chunks.iter().enumerate().all(|(index, chunk)| chunk.is_first == (index == 0) && chunk.file == 7)
        );
        assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), text);
        let train: String = chunks.iter().map(|chunk| &chunk.text[..chunk.border]).collect();
        assert_eq!(train, "é word's 12  \n\n".repeat(36_000));
        assert_eq!(ids(&chunks), TOKENIZER.encode(&text));
    }

    #[test]
    fn a_border_moves_back_to_the_end_of_a_paragraph_a_line_or_a_word() {
        let training = |text: &str, characters| {
            let chunks = chunks(text, cut(characters, true)).unwrap();
            chunks.iter().map(|chunk| &chunk.text[..chunk.border]).collect::<String>()
        };
        assert_eq!(training("One two three four.\n\nFive six\nseven.", 24), "One two three four.");
        assert_eq!(training("One two three four.\nFive six seven.", 24), "One two three four.");
        assert_eq!(training("One two three four. Five six seven.", 26), "One two three four. Five");
        // A paragraph that ends far before.
        assert_eq!(training("One\n\ntwo three four five six seven.", 27), "One\n\ntwo three four five");
        assert_eq!(training("他从街上走过来", 4), "他从街上");
        assert_eq!(training(&"word ".repeat(60_000), 299_999), "word ".repeat(60_000).trim_end());
        assert_eq!(training("One two", 0), "");
    }

    #[test]
    fn languages_without_spaces_are_cut_and_encode_to_the_same_ids() {
        // Thai without any space, and Chinese in one line.
        for sentence in ["วันหนึ่งฉันเดินเข้าไปในป่าแล้วพบกับเพื่อนเก่า", "他从街上走过来，没有人看见他。"]
        {
            let text = sentence.repeat(700_000 / sentence.len());
            let chunks = chunks(&text, Placement::Training).unwrap();
            assert!(chunks.len() >= 3 && chunks.iter().all(|chunk| chunk.border == chunk.text.len()));
            assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), text);
            assert!(ids(&chunks) == TOKENIZER.encode(&text), "{sentence}");
        }
    }

    #[test]
    fn a_text_in_which_no_word_ends_is_refused() {
        for character in [" ", "a", "\n"] {
            let error =
                chunks(&format!("word {}", character.repeat(1_100_000)), Placement::Training).unwrap_err();
            assert!(matches!(error, CorpusError::NoWordEnds { .. }), "{error}");
        }
        // The longest that is accepted encodes.
        let longest = " ".repeat(MAX_CHUNK_BYTES - 1) + "a";
        let chunks = chunks(&longest, Placement::Training).unwrap();
        assert_eq!(ids(&chunks).len(), MAX_CHUNK_BYTES - 1);
    }

    /// Cuts a text wherever it may be cut, for every pattern.
    fn assert_cutting_changes_no_id(text: &str) {
        for (pattern, tokenizer) in &*TOKENIZERS {
            let whole = tokenizer.encode(text);
            let mut head = text;
            while let Some(cut) = last_cut(head, *pattern) {
                head = &head[..cut];
                let ids = [tokenizer.encode(head), tokenizer.encode_part(&text[cut..], false)].concat();
                assert_eq!(ids, whole, "{text:?} cut at {cut} for {tokenizer}");
            }
        }
    }

    #[test]
    fn newer_patterns_keep_signs_with_letters_and_line_ends() {
        for (text, expected) in [
            ("one two", Some("one")),
            ("one\ntwo", Some("one")),
            ("one.\ntwo", Some("one")),
            (".\n", None),
            ("one.two", Some("one")),
            (".two", None),
            ("it's", None),
            ("a1", None),
            ("1234", None),
            ("他走了。她", Some("他走了")),
            ("กี่", None),
        ] {
            for pattern in [Pattern::Cl100k, Pattern::Qwen2, Pattern::O200k] {
                assert_eq!(
                    last_cut(text, Some(pattern)).map(|cut| &text[..cut]),
                    expected,
                    "{text:?} {pattern}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Wherever a text may be cut, cutting it changes no id. White space of all kinds, contractions,
        /// letters, numbers, signs, marks that are alphabetic and no letters, and characters that look like white space
        /// and are none.
        #[test]
        fn cutting_changes_no_id(
            text in "([ \n\t\r\u{b}\u{a0}\u{85}\u{3000}\u{2028}\u{200b}\u{180e}']|[a-zA-Zé字。กีำ่ⅨⒶ]{1,3}|'(s|ll|VE|t)|[0-9½]{1,3}|[.,!/-]){0,24}"
        ) {
            assert_cutting_changes_no_id(&text);
        }

        #[test]
        fn cutting_any_text_changes_no_id(text in any::<String>()) {
            assert_cutting_changes_no_id(&text);
        }
    }
}
