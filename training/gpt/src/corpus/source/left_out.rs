//! Files of a source that are left out, and why.

use crate::corpus::numbers::number;

/// Files that are named; more are counted.
const MAX_NAMED: usize = 100;

/// A file that is not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, below the folder that was given.
    pub name: String,
    /// The reason, with the remedy.
    pub reason: String,
}

/// What is said of files that are left out of a source.
pub fn left_out(source: &str, files: &[LeftOut]) -> Option<String> {
    let counted = match files.len() {
        0 => return None,
        1 => "1 file is left out".to_owned(),
        count => format!("{} files are left out", number(count as u64)),
    };
    let mut text = format!("corpus {source}: {counted}:");
    for LeftOut { name, reason } in files.iter().take(MAX_NAMED) {
        text.push_str(&format!("\n  {name}: {reason}"));
    }
    if files.len() > MAX_NAMED {
        text.push_str(&format!("\n  and {} more", number((files.len() - MAX_NAMED) as u64)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_files_are_counted_and_a_hundred_named() {
        let files: Vec<LeftOut> = (0..1100)
            .map(|number| LeftOut { name: format!("{number}.png"), reason: "an image".to_owned() })
            .collect();
        assert_eq!(left_out("a", &[]), None);
        assert_eq!(left_out("a", &files[..1]).unwrap(), "corpus a: 1 file is left out:\n  0.png: an image");
        let text = left_out("a", &files).unwrap();
        assert!(text.starts_with("corpus a: 1,100 files are left out:\n  0.png"), "{text}");
        assert!(text.ends_with("  99.png: an image\n  and 1,000 more"), "{text}");
    }
}
