//! Safe names: parts of paths and S3 keys that cannot lead out of a folder.

/// The rule of [`is_safe_name`], for error messages.
pub const NAME_RULE: &str = "1 to 128 of the characters a-z A-Z 0-9 . _ -, the first a letter or digit";

/// Whether `name` can be part of a path without leading out of its folder.
pub fn is_safe_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed) && name.as_bytes()[0].is_ascii_alphanumeric()
}
