//! Safe keys: names separated by `/` that cannot lead out of a store.

use artifact::manifest::is_safe_name;

/// The rule of [`is_safe_key`], for error messages.
pub(crate) const KEY_RULE: &str =
    "1 to 8 names separated by `/`, each of the characters a-z A-Z 0-9 . _ -, its first a letter or digit";

/// Whether `key` can be joined to a folder or prefix without leading out of it.
pub(crate) fn is_safe_key(key: &str) -> bool {
    key.split('/').count() <= 8 && key.split('/').all(is_safe_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_the_store() {
        assert!(["a", "run-1/step-100/weights.bin", "a/b/c/d/e/f/g/h"].into_iter().all(is_safe_key));
        for key in ["", "/", "/a", "a/", "a//b", "../a", "a/..", "a/.hidden", "a\\b", "a/b/c/d/e/f/g/h/i"] {
            assert!(!is_safe_key(key), "{key}");
        }
    }
}
