//! Incremental detokenization: text from token ids as they come, up to a stop string.
//!
//! Text is held back for two reasons only: an id need not end where a character ends, and the beginning of a stop
//! string may become one.

use std::ops::Deref;

use artifact::Tokenizer;
use artifact::tokenizer::UnknownToken;

/// Text that will not change any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text that follows the pieces before it; often empty.
    pub text: String,
    /// Whether a stop string has been reached. It is not part of the text, and nothing follows.
    pub stopped: bool,
}

/// The text of a sequence of ids up to the first stop string, in pieces.
///
/// All pieces together are what [`Tokenizer::decode`] makes of all ids, cut before the stop string
/// that is complete first; of several that end at once, before the longest. Stop strings may begin
/// and end within ids.
pub struct TextStream<T> {
    tokenizer: T,
    stops: Vec<String>,
    characters: Characters,
    /// Text that may be the beginning of a stop string, and so is shorter than the longest.
    held: String,
    stopped: bool,
}

impl<T: Deref<Target = Tokenizer>> TextStream<T> {
    /// A text that ends before the first of `stops`; an empty one stops nothing.
    pub fn new(tokenizer: T, mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self { tokenizer, stops, characters: Characters::default(), held: String::new(), stopped: false }
    }

    /// Takes the next id and gives the text that is certain by it. After a stop string there is none.
    ///
    /// # Errors
    /// If the id is not in the vocabulary; the text is then as it was.
    pub fn push(&mut self, id: u32) -> Result<Piece, UnknownToken> {
        let bytes = self.tokenizer.decode_bytes(&[id])?;
        if self.stopped {
            return Ok(Piece { text: String::new(), stopped: true });
        }
        self.characters.push(&bytes, &mut self.held);
        if let Some(start) = self.stop_start() {
            self.stopped = true;
            self.held.truncate(start);
            return Ok(Piece { text: std::mem::take(&mut self.held), stopped: true });
        }
        let held = self.held.split_off(self.possible_stop_start());
        Ok(Piece { text: std::mem::replace(&mut self.held, held), stopped: false })
    }

    /// The rest, when no more ids come: what might have become a stop string. A character that has
    /// not ended is left out, as [`Tokenizer::decode`] does.
    pub fn finish(self) -> String {
        if self.stopped { String::new() } else { self.held }
    }

    /// The start of the stop string that is complete first.
    fn stop_start(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        found.min().map(|(_, start)| start)
    }

    /// The start of the longest end of the text that a stop string begins with.
    fn possible_stop_start(&self) -> usize {
        let end = self.held.len();
        let starts = self.held.char_indices().map(|(start, _)| start);
        let begins_stop = |start: &usize| {
            let rest = &self.held[*start..];
            self.stops.iter().any(|stop| stop.starts_with(rest))
        };
        starts.into_iter().find(begins_stop).unwrap_or(end)
    }
}

/// Incremental UTF-8 decoding: characters from bytes as they come.
#[derive(Clone, Debug, Default)]
pub struct Characters {
    /// Bytes of a character that has begun but not ended, 3 at most.
    begun: Vec<u8>,
}

impl Characters {
    /// Takes the next bytes, and appends the characters that are complete by them to `text`. Bytes that form none
    /// become U+FFFD.
    pub fn push(&mut self, bytes: &[u8], text: &mut String) {
        self.begun.extend_from_slice(bytes);
        let mut incomplete = 0;
        let mut chunks = self.begun.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let may_go_on = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && may_go_on {
                incomplete = invalid.len();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.begun.drain(..self.begun.len() - incomplete);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use artifact::tokenizer::END_OF_TEXT;
    use proptest::prelude::*;

    use super::*;

    fn tokenizer() -> &'static Tokenizer {
        static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
        TOKENIZER.get_or_init(|| Tokenizer::gpt2().unwrap())
    }

    fn stream(stops: &[&str]) -> TextStream<&'static Tokenizer> {
        TextStream::new(tokenizer(), stops.iter().map(|&stop| stop.to_owned()).collect())
    }

    /// The pieces of `text` whose ids are those of its parts, and the rest.
    fn pieces(stops: &[&str], parts: &[&str]) -> (Vec<String>, bool, String) {
        let mut stream = stream(stops);
        let mut stopped = false;
        let ids = parts.iter().flat_map(|part| tokenizer().encode(part));
        let mut texts = Vec::new();
        for id in ids {
            let piece = stream.push(id).unwrap();
            assert!(!stopped || piece == Piece { text: String::new(), stopped: true });
            stopped |= piece.stopped;
            texts.push(piece.text);
        }
        (texts, stopped, stream.finish())
    }

    #[test]
    fn a_character_comes_whole() {
        // The emoji takes three ids.
        assert_eq!(
            pieces(&[], &["art 🎨!"]),
            (["art", " ", "", "🎨", "!"].map(String::from).to_vec(), false, String::new())
        );
        let mut stream = stream(&[]);
        for id in &tokenizer().encode("art 🎨")[..3] {
            stream.push(*id).unwrap();
        }
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn the_beginning_of_a_stop_string_is_held_back() {
        let texts = |stops: &[&str], parts: &[&str]| {
            let (texts, stopped, rest) = pieces(stops, parts);
            (texts.join("|"), stopped, rest)
        };
        assert_eq!(texts(&["cde"], &["ab", "c", "d", "ef"]), ("ab|||".to_owned(), true, String::new()));
        assert_eq!(texts(&["cde"], &["ab", "c", "d", "x"]), ("ab|||cdx".to_owned(), false, String::new()));
        assert_eq!(texts(&["cde"], &["ab", "c", "d"]), ("ab||".to_owned(), false, "cd".to_owned()));
        // It begins within one id and ends within another, and nothing of it shows.
        assert_eq!(texts(&["bc"], &["ab", "cd", "e"]), ("a||".to_owned(), true, String::new()));
        // A beginning within a beginning.
        assert_eq!(texts(&["aab"], &["a", "a", "a", "b"]), ("||a|".to_owned(), true, String::new()));
        assert_eq!(texts(&[""], &["a"]), ("a".to_owned(), false, String::new()));
    }

    #[test]
    fn of_several_stop_strings_the_first_that_is_complete_counts() {
        for parts in [&["x", "a", "b", "c", "d"][..], &["x", "abcd"]] {
            let text = |stops| pieces(stops, parts).0.concat();
            assert_eq!(text(&["abcd", "bc"]), "xa");
            assert_eq!(text(&["bc", "abc", "c"]), "x");
        }
    }

    #[test]
    fn bytes_that_form_no_character_are_replaced() {
        // The first two bytes of an emoji, then a letter: one replacement, as String::from_utf8_lossy.
        let ids = [tokenizer().encode(" 🎨")[0], tokenizer().encode("a")[0]];
        let mut stream = stream(&[]);
        let texts: Vec<_> = ids.map(|id| stream.push(id).unwrap().text).into();
        assert_eq!(texts, [" ", "\u{fffd}a"]);
        assert_eq!(tokenizer().decode(&ids).unwrap(), texts.concat());
        assert_eq!(
            stream.push(END_OF_TEXT + 1),
            Err(UnknownToken { id: END_OF_TEXT + 1, vocab_size: END_OF_TEXT as usize + 1 })
        );
    }

    /// Before the stop string that is complete first, the longest of those that end there.
    fn cut<'t>(text: &'t str, stops: &[String]) -> Option<&'t str> {
        (0..=text.len()).filter(|&end| text.is_char_boundary(end)).find_map(|end| {
            let ending = stops.iter().filter(|stop| !stop.is_empty() && text[..end].ends_with(stop.as_str()));
            ending.map(String::len).max().map(|longest| &text[..end - longest])
        })
    }

    /// Texts of any characters and of few, so that stop strings occur.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[ab é🎨\u{fffd}]{0,30}"]
    }

    fn ids() -> impl Strategy<Value = Vec<u32>> {
        let parts = prop::collection::vec(text(), 0..5);
        let ids_of_parts =
            parts.prop_map(|parts| parts.iter().flat_map(|part| tokenizer().encode(part)).collect());
        // The first 256 ids are single bytes.
        let bytes = prop::collection::vec(0..256u32, 0..30);
        let any = prop::collection::vec(0..=END_OF_TEXT, 0..30);
        prop_oneof![3 => ids_of_parts, 1 => bytes, 1 => any]
    }

    proptest! {
        #[test]
        fn pieces_are_the_decoded_text_up_to_the_stop(
            ids in ids(),
            of_text in prop::collection::vec((any::<prop::sample::Index>(), 0..6usize), 0..3),
            others in prop::collection::vec("[ab é🎨]{0,4}", 0..3),
        ) {
            let whole = tokenizer().decode(&ids).unwrap();
            let characters: Vec<char> = whole.chars().collect();
            let mut stops = others;
            for (start, length) in of_text {
                let start = start.index(characters.len() + 1);
                stops.push(characters[start..].iter().take(length).collect());
            }
            let longest = stops.iter().map(String::len).max().unwrap_or(0);

            let mut stream = TextStream::new(tokenizer(), stops.clone());
            let mut text = String::new();
            let mut stopped = false;
            for (count, &id) in (1..).zip(&ids) {
                let piece = stream.push(id).unwrap();
                text.push_str(&piece.text);
                stopped = piece.stopped;
                let bytes = tokenizer().decode_bytes(&ids[..count]).unwrap();
                // U+FFFD may be longer than what it replaces, so whole characters are compared.
                let so_far = String::from_utf8_lossy(&bytes).len();
                prop_assert!(stopped || so_far - text.len() <= longest.saturating_sub(1) + 3);
            }
            text.push_str(&stream.finish());
            let expected = cut(&whole, &stops);
            prop_assert_eq!(stopped, expected.is_some());
            prop_assert_eq!(text, expected.unwrap_or(&whole));
        }
    }
}
