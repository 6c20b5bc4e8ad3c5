//! Hidden files, such as those that other systems leave beside a text: `.DS_Store`, `._text.txt`.

/// Whether a path below a folder, or a key below a prefix, is hidden or in a hidden folder.
pub fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') && !matches!(part, "." | ".."))
}

/// What is said of a hidden file.
pub const HIDDEN: &str = "a hidden file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_dot_hides() {
        for path in [".a", "._a.txt", "a/.git/b.txt", ".a/b", "..a"] {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["a.txt", "../a.txt", "./a", "a/b.c"] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
