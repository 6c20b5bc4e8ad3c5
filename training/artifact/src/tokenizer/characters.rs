//! Characters of bytes: the printable spelling that GPT-2's files give each byte, `Ġ` for a space.

/// Tokens of one byte, which come before all others.
pub const BYTES: usize = 256;

/// Bytes without a printable character of their own get those from here on, in their order.
const FIRST_SUBSTITUTE: u32 = 256;

/// Spelling of the token between documents.
pub const END_OF_TEXT_NAME: &str = "<|endoftext|>";

/// The character that stands for each byte: itself if it is printable and no space, else one of its own.
pub fn characters() -> [char; BYTES] {
    let mut substitutes = (FIRST_SUBSTITUTE..).filter_map(char::from_u32);
    std::array::from_fn(|byte| match byte as u8 {
        byte @ (b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) => char::from(byte),
        // There are as many characters as one likes.
        _ => substitutes.next().unwrap_or_default(),
    })
}

/// The bytes in the order of their characters, in which GPT-2 and trained tokenizers have them.
pub(super) fn bytes_in_order() -> Vec<u8> {
    let characters = characters();
    let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
    bytes.sort_unstable_by_key(|&byte| characters[usize::from(byte)]);
    bytes
}
