//! JSON Lines: an object on each line, and the text in one of its fields.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::records::{Pieces, Records, Step};
use crate::corpus::error::CorpusError;

/// The longest line: it is in memory as a whole.
const MAX_LINE_BYTES: usize = 1 << 26;

/// Names of other fields in an error.
const MAX_NAMES: usize = 8;

/// Reads each line as a record. A text that is `null` is an empty record; a blank line is none.
pub struct JsonLines<R> {
    path: PathBuf,
    input: BufReader<R>,
    field: String,
    line: Vec<u8>,
    /// From 1.
    number: u64,
    record: Pieces,
}

impl<R: Read> JsonLines<R> {
    /// Reads `input`, the contents of the file `path`.
    pub fn new(path: &Path, input: R, field: &str) -> Self {
        Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(1 << 16, input),
            field: field.to_owned(),
            line: Vec::new(),
            number: 0,
            record: Pieces::default(),
        }
    }

    /// Reads the next line; false at the end of the file.
    fn read_line(&mut self) -> Result<bool, CorpusError> {
        self.line.clear();
        self.number += 1;
        let count = (&mut self.input)
            .take(MAX_LINE_BYTES as u64 + 1)
            .read_until(b'\n', &mut self.line)
            .map_err(CorpusError::io(&self.path))?;
        if count > MAX_LINE_BYTES {
            return Err(self.error(format!(
                "it is longer than {} MiB; is it JSON Lines? Split it into several documents, or leave it out",
                MAX_LINE_BYTES >> 20
            )));
        }
        Ok(count > 0)
    }

    /// The text of the line, or none if the line is blank.
    fn text(&self) -> Result<Option<String>, CorpusError> {
        let mark: &[u8] = if self.number == 1 { "\u{feff}".as_bytes() } else { b"" };
        let line = self.line.strip_prefix(mark).unwrap_or(&self.line).trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        let text = Field(&self.field)
            .deserialize(&mut json)
            .and_then(|text| json.end().map(|()| text))
            .map_err(|error| self.error(reason(&error)))?;
        Ok(Some(text))
    }

    fn error(&self, reason: String) -> CorpusError {
        CorpusError::Record { path: self.path.clone(), place: format!("line {}", self.number), reason }
    }
}

/// What is wrong with a line, without the line number of an error that knows one line only.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line 1 column").next().unwrap_or_default();
    if error.is_data() && text.starts_with("expected") {
        return text.to_owned();
    }
    format!(
        "not a JSON object ({text} at character {}); one document is expected on each line \
         (from a JSON array: jq -c '.[]' FILE.json > FILE.jsonl)",
        error.column()
    )
}

impl<R: Read> Records for JsonLines<R> {
    fn read(&mut self, text: &mut String) -> Result<Step, CorpusError> {
        loop {
            if let Some(step) = self.record.next(text) {
                return Ok(step);
            }
            if !self.read_line()? {
                return Ok(Step::End);
            }
            if let Some(record) = self.text()? {
                self.record.begin(record);
            }
        }
    }
}

/// Takes one field of an object and passes over the others.
struct Field<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let (mut text, mut others) = (None, Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            if name == self.0 {
                text = Some(map.next_value::<serde_json::Value>()?);
                continue;
            }
            map.next_value::<IgnoredAny>()?;
            if others.len() < MAX_NAMES {
                others.push(format!("`{}`", name.chars().take(40).collect::<String>()));
            }
        }
        let found = match text {
            Some(serde_json::Value::String(text)) => return Ok(text),
            Some(serde_json::Value::Null) => return Ok(String::new()),
            Some(_) => "another kind of value in it".to_owned(),
            None if others.is_empty() => "no field".to_owned(),
            None => others.join(", "),
        };
        Err(A::Error::custom(format!(
            "expected a text in the field `{}`, found {found}; name the field of the text: --text-field NAME",
            self.0
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::read_all;
    use super::*;

    fn read(lines: &str) -> Result<Vec<String>, String> {
        read_all(JsonLines::new(Path::new("a.jsonl"), lines.as_bytes(), "text"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_line_is_a_record() {
        let lines = "\u{feff}{\"id\": 1, \"text\": \"one\\ntwo \\u00e9\"}\r\n\n{\"text\": null}\n\
                     {\"text\": \"\\ud83c\\udfa8\", \"more\": {\"text\": [\"other\"]}}";
        assert_eq!(read(lines).unwrap(), ["one\ntwo é", "", "🎨"]);
        assert_eq!(read("").unwrap(), Vec::<String>::new());
        let long = "é".repeat(200_000);
        assert_eq!(read(&format!("{{\"text\": \"{long}\"}}\n")).unwrap(), [long]);
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_in_it() {
        let good = "{\"text\": \"a\"}\n";
        for (line, expected) in [
            (
                "{\"id\": 1, \"content\": \"a\"}",
                "line 2: expected a text in the field `text`, found `id`, `content`; name the field",
            ),
            (
                "{\"text\": [\"a\"]}",
                "line 2: expected a text in the field `text`, found another kind of value",
            ),
            ("{}", "found no field"),
            ("[\"a\"]", "line 2: not a JSON object (invalid type"),
            ("{\"text\": \"a\"} b", "line 2: not a JSON object (trailing characters at character 15)"),
            ("{", "line 2: not a JSON object (EOF while parsing"),
            ("{\"text\": \"\\ud800\"}", "line 2: not a JSON object"),
        ] {
            let error = read(&format!("{good}{line}\n{good}")).unwrap_err();
            assert!(
                error.contains(&format!("corpus a.jsonl: {expected}")) || error.contains(expected),
                "{error}"
            );
        }
        // However deep, what is passed over takes no stack.
        let deep = format!("{good}{{\"a\": {}", "[".repeat(1_000_000));
        assert!(read(&deep).unwrap_err().contains("line 2: not a JSON object"));
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_is_read() {
        let endless = "{\"text\": \"".as_bytes().chain(std::io::repeat(b'a'));
        let error = read_all(JsonLines::new(Path::new("a.jsonl"), endless, "text")).unwrap_err().to_string();
        assert!(error.contains("a.jsonl: line 1: it is longer than 64 MiB"), "{error}");
    }
}
