//! Encodings of text: UTF-8, and UTF-16 and UTF-32 with and without byte-order mark.
//!
//! Without a mark they are told by zeros: the upper bytes of characters such as space and line feed. A text in an 8-bit
//! encoding has none.

use std::io::{self, Read};

/// Bytes that are converted at once.
const BLOCK_BYTES: usize = 1 << 15;

/// Of so many characters of a text, at least one is frequent in any language.
const MIN_FREQUENT: usize = 32;

/// How characters are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// In one to four bytes.
    Utf8,
    /// In units of two bytes.
    Utf16(ByteOrder),
    /// In four bytes.
    Utf32(ByteOrder),
}

/// Which byte of a unit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The lowest.
    Little,
    /// The highest.
    Big,
}

use ByteOrder::{Big, Little};

/// Those in which characters such as space have zeros.
const WIDE: [Encoding; 4] =
    [Encoding::Utf32(Little), Encoding::Utf32(Big), Encoding::Utf16(Little), Encoding::Utf16(Big)];

impl Encoding {
    /// The encoding of a text that begins so.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0xff, 0xfe, 0, 0, ..] => Self::Utf32(Little),
            [0, 0, 0xfe, 0xff, ..] => Self::Utf32(Big),
            [0xff, 0xfe, ..] => Self::Utf16(Little),
            [0xfe, 0xff, ..] => Self::Utf16(Big),
            _ if !head.contains(&0) || has_stray_zeros(head) => Self::Utf8,
            _ => WIDE
                .into_iter()
                .rev()
                .max_by_key(|encoding| encoding.fit(head))
                .filter(|encoding| encoding.fit(head) > 0)
                .unwrap_or(Self::Utf8),
        }
    }

    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16(Little) => "UTF-16 (little endian)",
            Self::Utf16(Big) => "UTF-16 (big endian)",
            Self::Utf32(Little) => "UTF-32 (little endian)",
            Self::Utf32(Big) => "UTF-32 (big endian)",
        }
    }

    /// How well these bytes, read so, are text: none of the characters is invisible, and so many are frequent ones,
    /// which in the wrong order of bytes are rare ones. 0 if few are.
    fn fit(self, head: &[u8]) -> usize {
        let mut text = String::new();
        if self.decode(head, &mut text).is_err() {
            return 0;
        }
        let is_text = |c: char| c.is_whitespace() || !(c.is_control() || c == '\u{fffe}' || c == '\u{ffff}');
        let is_frequent = |c: &char| c.is_ascii() || matches!(c, '\u{3001}' | '\u{3002}' | '\u{ff0c}');
        let (frequent, all) = (text.chars().filter(is_frequent).count(), text.chars().count());
        if frequent * MIN_FREQUENT >= all && text.chars().all(is_text) { frequent } else { 0 }
    }

    /// The text as UTF-8. What is not valid is an error of reading.
    pub(super) fn transcode(self, input: Box<dyn Read>) -> Box<dyn Read> {
        match self {
            Self::Utf8 => input,
            _ => Box::new(Transcoder {
                input,
                encoding: self,
                rest: Vec::new(),
                offset: 0,
                ready: Vec::new(),
                given: 0,
            }),
        }
    }

    /// Appends whole characters, and tells how many bytes they took.
    ///
    /// # Errors
    /// The offset of what is no character.
    fn decode(self, bytes: &[u8], text: &mut String) -> Result<usize, usize> {
        match self {
            Self::Utf8 => Err(0),
            Self::Utf16(order) => decode_utf16(bytes, order, text),
            Self::Utf32(order) => {
                for (index, unit) in bytes.as_chunks::<4>().0.iter().enumerate() {
                    let number =
                        if order == Little { u32::from_le_bytes(*unit) } else { u32::from_be_bytes(*unit) };
                    text.push(char::from_u32(number).ok_or(index * 4)?);
                }
                Ok(bytes.len() / 4 * 4)
            }
        }
    }
}

/// Whether these bytes are UTF-8 that has something to read, and some zeros in it by mistake.
fn has_stray_zeros(head: &[u8]) -> bool {
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && zeros * 4 < head.len() && !head.iter().any(|byte| matches!(byte, 1..=8 | 14..=26))
}

fn decode_utf16(bytes: &[u8], order: ByteOrder, text: &mut String) -> Result<usize, usize> {
    let unit =
        |unit: &[u8; 2]| if order == Little { u16::from_le_bytes(*unit) } else { u16::from_be_bytes(*unit) };
    let units = bytes.as_chunks::<2>().0;
    // The first half of a character whose second half has not been read.
    let ends_inside = units.last().is_some_and(|last| (0xd800..0xdc00).contains(&unit(last)));
    let count = units.len() - usize::from(ends_inside);
    let mut used = 0;
    for character in char::decode_utf16(units[..count].iter().map(unit)) {
        let character = character.map_err(|_| used)?;
        text.push(character);
        used += 2 * character.len_utf16();
    }
    Ok(used)
}

/// Reads UTF-16 or UTF-32 as UTF-8.
struct Transcoder {
    input: Box<dyn Read>,
    encoding: Encoding,
    /// The beginning of a character.
    rest: Vec<u8>,
    /// Bytes before it.
    offset: u64,
    ready: Vec<u8>,
    /// Bytes of `ready` that have been handed out.
    given: usize,
}

impl Transcoder {
    /// Makes the next block ready; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = std::mem::take(&mut self.rest);
        let count = (&mut self.input).take(BLOCK_BYTES as u64).read_to_end(&mut bytes)?;
        let mut text = String::new();
        let invalid = |offset: usize| {
            let text = format!("byte {} is not valid {}", self.offset + offset as u64, self.encoding.name());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let used = self.encoding.decode(&bytes, &mut text).map_err(invalid)?;
        if count == 0 && used < bytes.len() {
            return Err(invalid(used));
        }
        self.offset += used as u64;
        self.rest = bytes.split_off(used);
        (self.ready, self.given) = (text.into_bytes(), 0);
        Ok(count > 0)
    }
}

impl Read for Transcoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let count = (&self.ready[self.given..]).read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A text in another encoding.
    pub(crate) fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Utf16(Little) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16(Big) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Encoding::Utf32(Little) => text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect(),
            Encoding::Utf32(Big) => text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect(),
        }
    }

    fn read(encoding: Encoding, bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        encoding.transcode(Box::new(io::Cursor::new(bytes))).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn is_told_with_and_without_a_mark() {
        for text in [
            "Plain English.\r\n",
            "Grüße, 🎨 und\tmehr\n",
            "第一章\n他走了。她也走了。\n",
            "Он вышел на улицу.\n",
        ] {
            for encoding in WIDE {
                assert_eq!(Encoding::of(&encode(text, encoding)), encoding, "{text:?}");
                assert_eq!(Encoding::of(&encode(&format!("\u{feff}{text}"), encoding)), encoding, "{text:?}");
            }
            assert_eq!(Encoding::of(text.as_bytes()), Encoding::Utf8);
        }
        assert_eq!(Encoding::of(b"caf\xe9 noir"), Encoding::Utf8);
        // Zeros that make no text.
        assert_eq!(Encoding::of(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"), Encoding::Utf8);
        assert_eq!(Encoding::of(b""), Encoding::Utf8);
        for text in ["A text with a zero\0 in it.", "one\0two\0three\0", "0123456\0".repeat(99).as_str()] {
            assert_eq!(Encoding::of(text.as_bytes()), Encoding::Utf8, "{text:?}");
        }
    }

    #[test]
    fn reads_across_blocks_and_names_what_is_not_valid() {
        let text = "a🎨é".repeat(BLOCK_BYTES / 3);
        for encoding in WIDE {
            assert_eq!(read(encoding, encode(&text, encoding)).unwrap(), text);
            let mut cut = encode("ab🎨", encoding);
            cut.pop();
            let error = read(encoding, cut).unwrap_err().to_string();
            assert!(error.contains("is not valid UTF-"), "{error}");
        }
        let error = read(Encoding::Utf16(Little), vec![b'a', 0, 0, 0xdc, b'b', 0]).unwrap_err();
        assert_eq!(error.to_string(), "byte 2 is not valid UTF-16 (little endian)");
    }
}
