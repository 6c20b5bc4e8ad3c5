//! Identical documents, found by their hashes in bounded memory.

use std::io;

use serde::{Deserialize, Serialize};

use super::entries::{Entry, Outline};

/// Documents whose hashes are in memory at once, 24 bytes each.
const BATCH: u64 = 1 << 20;

/// Documents that are identical to earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    /// How many.
    pub documents: u64,
    /// Their length together.
    pub characters: u64,
    /// One of them, the first of its kind in the corpus, and the document that it repeats.
    pub example: Option<(u64, u64)>,
}

/// Finds and marks the documents that are identical to earlier ones.
///
/// # Errors
/// If the outline cannot be read or written.
pub fn mark_repeated(outline: &Outline) -> io::Result<Repeated> {
    mark_in_batches(outline, BATCH)
}

fn mark_in_batches(outline: &Outline, batch: u64) -> io::Result<Repeated> {
    let mut found = Repeated::default();
    let passes = outline.documents().div_ceil(batch);
    for pass in 0..passes {
        // Hashes are spread evenly, so that each pass sees about as many.
        let is_here = |entry: &Entry| (u128::from(entry.hash) * u128::from(passes)) >> 64 == u128::from(pass);
        let mut entries = Vec::new();
        for (document, entry) in (0..).zip(outline.entries()?) {
            let entry = entry?;
            if is_here(&entry) {
                entries.push((entry.hash, entry.characters, document));
            }
        }
        entries.sort_unstable();
        for same in entries.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            for &(hash, characters, document) in &same[1..] {
                outline.mark(document, Entry { hash, characters, is_repeated: true })?;
                found.documents += 1;
                found.characters += characters;
                let example: (u64, u64) = (document, same[0].2);
                found.example = Some(found.example.map_or(example, |earlier| earlier.min(example)));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::entries::tests::outline;
    use super::*;

    #[test]
    fn all_but_the_first_are_marked_in_any_number_of_passes() {
        let [a, b, c] = [1, 1 << 62, u64::MAX];
        for batch in [1, 2, 100] {
            let outline = outline(&[(a, 10), (b, 20), (b, 20), (c, 30), (b, 20), (a, 10), (c, 31)]);
            let found = mark_in_batches(&outline, batch).unwrap();
            assert_eq!(found, Repeated { documents: 3, characters: 50, example: Some((2, 1)) });
            let marked: Vec<bool> =
                outline.entries().unwrap().map(|entry| entry.unwrap().is_repeated).collect();
            assert_eq!(marked, [false, false, true, false, true, true, false]);
        }
        assert_eq!(mark_repeated(&outline(&[])).unwrap(), Repeated::default());
    }
}
