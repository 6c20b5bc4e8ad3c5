//! Reader of instruction data: JSON Lines, or one JSON array.

use std::io::Read;

use artifact::chat::Message;
use serde_json::Value;

use super::record::messages;
use crate::corpus::error::CorpusError;
use crate::corpus::format::open_stream;
use crate::corpus::text::TextFile;

/// The longest file, unpacked: it is in memory as a whole. Published instruction data has up to some hundred megabytes.
const MAX_BYTES: u64 = 1 << 31;

/// What is in a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Conversations {
    /// The conversations, in order.
    pub list: Vec<Vec<Message>>,
    /// Records without an answer, which are left out, and the place of the first.
    pub unanswered: Option<(usize, String)>,
}

impl Conversations {
    fn push(&mut self, messages: Option<Vec<Message>>, place: String) {
        match (messages, &mut self.unanswered) {
            (Some(messages), _) => self.list.push(messages),
            (None, Some((count, _))) => *count += 1,
            (None, unanswered) => *unanswered = Some((1, place)),
        }
    }
}

/// The conversations of a file.
///
/// # Errors
/// If it cannot be read; names the line, or the element of an array, that is no conversation.
pub(super) fn conversations(file: &TextFile) -> Result<Conversations, CorpusError> {
    let path = file.path();
    let at = |place: String, reason: String| CorpusError::Record { path: path.to_owned(), place, reason };
    let Some(stream) = open_stream(path, file.format())? else {
        let reason = "a Parquet file holds texts here; make it JSON Lines".to_owned();
        return Err(at("the whole file".to_owned(), reason));
    };
    let mut text = String::new();
    stream.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(CorpusError::io(path))?;
    file.check_unchanged()?;
    if text.len() as u64 > MAX_BYTES {
        let reason = format!("it is longer than {} GiB; split it into several files", MAX_BYTES >> 30);
        return Err(at("the whole file".to_owned(), reason));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut found = Conversations::default();
    if text.trim_start().starts_with('[') {
        let records: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| at(format!("line {}", error.line()), format!("not JSON: {error}")))?;
        for (index, record) in records.iter().enumerate() {
            let place = format!("element {} of the array", index + 1);
            let messages = messages(record).map_err(|reason| at(place.clone(), reason))?;
            found.push(messages, place);
        }
        return Ok(found);
    }
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("line {}", index + 1);
        let record = serde_json::from_str(line).map_err(|error: serde_json::Error| {
            let text = error.to_string();
            let text = text.split(" at line 1 column").next().unwrap_or_default();
            format!("not JSON ({text} at character {}); one object is expected on each line", error.column())
        });
        let messages =
            record.and_then(|record| messages(&record)).map_err(|reason| at(place.clone(), reason))?;
        found.push(messages, place);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::format::of_json;

    fn read(name: &str, contents: &str) -> Result<Conversations, CorpusError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        conversations(&TextFile::open(&path, of_json(&path)?, false)?)
    }

    #[test]
    fn lines_and_an_array_are_the_same() {
        let records = [r#"{"question": "a", "answer": "b"}"#, r#"{"question": "c", "answer": "d"}"#];
        let lines = read("a.jsonl", &format!("\u{feff}{}\n\n{}", records[0], records[1])).unwrap();
        let array = read("a.json", &format!(" [{},\n{}]\n", records[0], records[1])).unwrap();
        assert_eq!((lines.list.len(), lines), (2, array));
    }

    #[test]
    fn what_has_no_answer_is_left_out() {
        let (good, empty) = (r#"{"question": "a", "answer": "b"}"#, r#"{"question": "a", "answer": ""}"#);
        let found = read("a.jsonl", &format!("{good}\r\n{empty}\r\n{empty}\r\n")).unwrap();
        assert_eq!((found.list.len(), found.unanswered), (1, Some((2, "line 2".to_owned()))));
    }

    #[test]
    fn a_wrong_record_is_named_by_its_place() {
        let good = r#"{"question": "a", "answer": "b"}"#;
        for (name, contents, expected) in [
            (
                "a.jsonl",
                format!("{good}\n\n{{\"question\": 1}}\n"),
                "line 3: it has `question`, and no `answer`",
            ),
            ("a.jsonl", format!("{good}\n{{\"question\": \n"), "line 2: not JSON (EOF while parsing a value"),
            ("a.json", format!("[{good}, 7]"), "element 2 of the array: expected an object, found a number"),
            ("a.json", format!("[\n{good},\n"), "line 3: not JSON"),
        ] {
            let error = read(name, &contents).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
