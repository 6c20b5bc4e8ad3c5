//! Report of how a corpus was read, in plain words.

use super::numbers::{counted, number};
use super::outline::{Contents, Repeated};
use super::settings::CorpusSettings;
use super::text::TextFile;
use super::tokens::{Index, Placed};

/// Files that are reported one by one; of more, what they have together.
const MAX_FILES: usize = 20;
/// What is said of a corpus: nothing of one plain text.
pub fn report(files: &[TextFile], settings: &CorpusSettings, index: &Index) -> Vec<String> {
    let remarks: Vec<String> = files
        .iter()
        .zip(&index.contents)
        .filter_map(|(file, contents)| {
            Some(format!("corpus {}: {}", file.path().display(), remark(file, contents, settings)?))
        })
        .collect();
    let mut lines: Vec<String> = remarks.iter().take(MAX_FILES).cloned().collect();
    if remarks.len() > MAX_FILES {
        let more = number((remarks.len() - MAX_FILES) as u64);
        let cut = number(index.contents.iter().map(|contents| contents.cut_bytes).sum());
        lines.push(format!(
            "corpus: and {more} more such files; {cut} bytes around books are left out of all of them"
        ));
    }
    let documents = index.contents.iter().map(|contents| contents.documents).sum::<u64>();
    if documents > 1 {
        lines.push(summary(documents, files.len() as u64, index.lengths.placed));
    }
    lines.extend(repeated(files, settings, index));
    lines
}

/// What there is to say of a file.
fn remark(file: &TextFile, contents: &Contents, settings: &CorpusSettings) -> Option<String> {
    let mut parts: Vec<String> = file.format().remark().into_iter().collect();
    let documents = counted(contents.documents, "document");
    if let Some(bodies) = &contents.bodies {
        let (books, cut) = (counted(bodies.len() as u64, "book"), number(contents.cut_bytes));
        parts.push(format!("{books} of Project Gutenberg; {cut} bytes of headers and licences are left out"));
    } else if !file.format().is_plain() {
        parts.push(format!("{documents} in `{}`", settings.text_field));
    }
    if contents.separators > 0 {
        parts.push(format!("{documents}, separated by {:?}", settings.separator));
    }
    if contents.empty > 0 && !file.format().is_plain() {
        parts.push(format!("{} without text", counted(contents.empty, "record")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn summary(documents: u64, files: u64, placed: Placed) -> String {
    let mut parts = Vec::new();
    if placed.training > 0 {
        parts.push(format!("{} to train on", number(placed.training)));
    }
    if placed.validation > 0 {
        parts.push(format!("{} to validate with", number(placed.validation)));
    }
    if placed.cut > 0 {
        let each = if placed.cut == 1 { "1 long one" } else { &format!("{} long ones", number(placed.cut)) };
        parts.push(format!("{each}, cut into a part for each"));
    }
    if placed.left_out > 0 {
        parts.push(format!("{} left out as identical to others", number(placed.left_out)));
    }
    format!("corpus: {} in {}: {}", counted(documents, "document"), counted(files, "file"), parts.join(", "))
}

fn repeated(files: &[TextFile], settings: &CorpusSettings, index: &Index) -> Option<String> {
    let Repeated { documents, characters, example } = index.repeated;
    let (copy, original) = example.filter(|_| !settings.deduplicate)?;
    let place = |document: u64| {
        let mut before = 0;
        let place = files.iter().zip(&index.contents).find_map(|(file, contents)| {
            let number = document - before;
            before += contents.documents;
            (document < before).then(|| match contents.documents {
                1 => file.name(),
                _ => format!("document {} of {}", number + 1, file.name()),
            })
        });
        place.unwrap_or_default()
    };
    let are = if documents == 1 {
        "1 document is".to_owned()
    } else {
        format!("{} documents are", number(documents))
    };
    Some(format!(
        "corpus: {are} identical to earlier ones ({} characters), such as {} to {}; --deduplicate leaves them out",
        number(characters),
        place(copy),
        place(original)
    ))
}
