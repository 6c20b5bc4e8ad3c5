//! Task file reader (JSON Lines or a JSON array), in the shapes that instruction data sets have.
//!
//! - `prompt`, `question` or `instruction`, with `input` if there is something to work on and `system` if a message sets the
//!   scene, and `answer`, `output`, `completion` or `response`: the model is to say it;
//! - the same with `choices`, and the index or the text of the right one as the answer;
//! - `messages`, of which the last is the assistant's answer.
//!
//! What is asked is written as in instruction data that models are trained on. Other fields are ignored.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use artifact::chat::{Message, Role};
use serde_json::{Map, Value};

use super::error::TasksError;
use super::task::{Expected, Prompt, Task};

/// The longest file: it is in memory as a whole.
const MAX_BYTES: u64 = 64 << 20;
/// The most tasks: each takes a pass of the model at least.
const MAX_TASKS: usize = 100_000;
/// Characters of a value in an error.
const SHOWN: usize = 60;

const PROMPTS: [&str; 3] = ["prompt", "question", INSTRUCTION];
const INSTRUCTION: &str = "instruction";
const ANSWERS: [&str; 4] = ["answer", "output", "completion", "response"];
const SYSTEM: &str = "system";
const CHOICES: &str = "choices";
const MESSAGES: &str = "messages";

/// Reads the tasks in a file.
///
/// # Errors
/// If it cannot be read or is too long, has no tasks, or a line is none; names the line, what was expected and what was found.
pub fn read(path: &Path) -> Result<Vec<Task>, TasksError> {
    let io = |source| TasksError::Io { path: path.to_owned(), source };
    let refused = |problem: String| TasksError::File { path: path.to_owned(), problem };
    let mut text = Vec::new();
    File::open(path).map_err(io)?.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(refused(format!("it is longer than {} MiB, expected at most that", MAX_BYTES >> 20)));
    }
    let text = String::from_utf8(text).map_err(|error| refused(format!("expected UTF-8: {error}")))?;
    let text = text.trim_start_matches('\u{feff}');
    let (unit, values) = match text.trim_start().starts_with('[') {
        true => ("element", elements(text).map_err(refused)?),
        false => ("line", lines(text)),
    };
    let mut tasks = Vec::with_capacity(values.len());
    for (number, value) in values {
        let (prompt, expected) = value.and_then(task).map_err(|problem| TasksError::Task {
            path: path.to_owned(),
            place: format!("{unit} {number}"),
            problem,
        })?;
        tasks.push(Task { number, prompt, expected });
    }
    match tasks.len() {
        0 => Err(refused("it has no tasks, expected a JSON object on each line".to_owned())),
        found if found > MAX_TASKS => {
            Err(refused(format!("it has {found} tasks, expected at most {MAX_TASKS}")))
        }
        _ => Ok(tasks),
    }
}

/// Numbered values, or why one is none.
type Values = Vec<(usize, Result<Value, String>)>;

fn elements(text: &str) -> Result<Values, String> {
    let values: Vec<Value> = serde_json::from_str(text).map_err(|error| format!("no JSON array: {error}"))?;
    Ok((1..).zip(values.into_iter().map(Ok)).collect())
}

/// The lines that are not blank.
fn lines(text: &str) -> Values {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parse = |line: &str| {
        serde_json::from_str(line).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.split(" at line 1 column").next().unwrap_or_default();
            format!("expected a JSON object, found {reason} at character {}", error.column())
        })
    };
    lines.map(|(number, line)| (number, parse(line))).collect()
}

fn task(value: Value) -> Result<(Prompt, Expected), String> {
    let Value::Object(fields) = value else {
        return Err(format!("expected a JSON object, found {}", shown(&value)));
    };
    if fields.contains_key(MESSAGES) {
        if let Some(other) = one_of(&fields, &PROMPTS)?.or(fields.get(CHOICES).map(|_| CHOICES)) {
            return Err(format!("expected either `{MESSAGES}` or `{other}`, found both"));
        }
        return conversation(&fields[MESSAGES]);
    }
    let Some(prompt) = one_of(&fields, &PROMPTS)? else {
        let names: Vec<_> = fields.keys().map(|name| format!("`{name}`")).collect();
        let expected = format!("`{}` or `{MESSAGES}`", PROMPTS.join("`, `"));
        return Err(format!("expected one of {expected}, found {}", list(&names)));
    };
    let mut asked = text(&fields, prompt)?;
    // Dolly's instructions have a `context`.
    let inputs = if prompt == INSTRUCTION { &["input", "context"][..] } else { &["input"] };
    if let Some(input) = inputs.iter().find(|name| is_given(&fields, name)) {
        asked = format!("{asked}\n\n### Input:\n{}", text(&fields, input)?);
    }
    let Some(answer) = one_of(&fields, &ANSWERS)? else {
        return Err(format!("expected one of `{}`, found none of them", ANSWERS.join("`, `")));
    };
    let expected = match fields.get(CHOICES) {
        Some(choices) => multiple_choice(choices, answer, &fields[answer])?,
        None => Expected::ExactMatch(text(&fields, answer)?),
    };
    if !is_given(&fields, SYSTEM) {
        return Ok((Prompt::Text(asked), expected));
    }
    let scene = Message::new(Role::System, text(&fields, SYSTEM)?);
    Ok((Prompt::Conversation(vec![scene, Message::new(Role::User, asked)]), expected))
}

/// Whether a field says something.
fn is_given(fields: &Map<String, Value>, name: &str) -> bool {
    fields
        .get(name)
        .is_some_and(|value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty()))
}

fn multiple_choice(choices: &Value, name: &str, answer: &Value) -> Result<Expected, String> {
    let texts: Option<Vec<String>> = choices
        .as_array()
        .filter(|choices| choices.len() >= 2)
        .and_then(|choices| choices.iter().map(|choice| Some(choice.as_str()?.to_owned())).collect());
    let texts = texts.filter(|texts| texts.iter().all(|text| !text.trim().is_empty()));
    let Some(texts) = texts else {
        return Err(format!("expected `{CHOICES}` to be two or more texts, found {}", shown(choices)));
    };
    let index = match answer {
        Value::String(text) => texts.iter().position(|choice| choice == text),
        other => {
            other.as_u64().and_then(|index| usize::try_from(index).ok()).filter(|&index| index < texts.len())
        }
    };
    let Some(answer) = index else {
        let last = texts.len() - 1;
        return Err(format!(
            "expected `{name}` to be one of `{CHOICES}` or its index, 0 to {last}, found {}",
            shown(answer)
        ));
    };
    Ok(Expected::MultipleChoice { choices: texts, answer })
}

fn conversation(messages: &Value) -> Result<(Prompt, Expected), String> {
    let found = || shown(messages);
    let mut said: Vec<Message> = serde_json::from_value(messages.clone()).map_err(|error| {
        format!(
            "expected `{MESSAGES}` to be a list of objects with `role` and `content`, found {}: {error}",
            found()
        )
    })?;
    match said.pop() {
        Some(Message { role: Role::Assistant, content })
            if !said.is_empty() && !content.trim().is_empty() =>
        {
            Ok((Prompt::Conversation(said), Expected::ExactMatch(content)))
        }
        _ => Err(format!(
            "expected `{MESSAGES}` to end with an answer of the `assistant` after what is asked, found {}",
            found()
        )),
    }
}

/// The one of these fields that there is.
fn one_of<'a>(fields: &Map<String, Value>, names: &[&'a str]) -> Result<Option<&'a str>, String> {
    let found: Vec<&str> = names.iter().copied().filter(|name| fields.contains_key(*name)).collect();
    match found[..] {
        [] => Ok(None),
        [name] => Ok(Some(name)),
        [first, second, ..] => Err(format!("expected either `{first}` or `{second}`, found both")),
    }
}

/// A text that is not blank; a number is one, too.
fn text(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    match &fields[name] {
        Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        found => Err(format!("expected `{name}` to be a text, found {}", shown(found))),
    }
}

/// A value, cut if it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no fields".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &str) -> Result<Vec<Task>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.jsonl");
        fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string())
    }

    fn exact(prompt: &str, answer: &str) -> (Prompt, Expected) {
        (Prompt::Text(prompt.to_owned()), Expected::ExactMatch(answer.to_owned()))
    }

    #[test]
    fn every_shape_is_read() {
        let lines = [
            r#"{"prompt": "p", "answer": "a", "source": 7}"#,
            "",
            r#"{"question": "q", "completion": "c"}"#,
            r#"{"instruction": "i", "input": "", "output": "o"}"#,
            r#"{"instruction": "i", "input": "in", "output": "o"}"#,
            r#"{"prompt": "p", "choices": ["x", "y"], "answer": 1}"#,
            r#"{"prompt": "p", "choices": ["x", "y"], "answer": "x"}"#,
            r#"{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}"#,
            r#"{"system": "s", "prompt": "p", "response": 7}"#,
        ];
        let choice = |answer| {
            let choices = ["x", "y"].map(str::to_owned).to_vec();
            (Prompt::Text("p".to_owned()), Expected::MultipleChoice { choices, answer })
        };
        let conversation = Prompt::Conversation(vec![Message::new(Role::User, "u")]);
        let scene = vec![Message::new(Role::System, "s"), Message::new(Role::User, "p")];
        let scene = Prompt::Conversation(scene);
        let expected = [
            (1, exact("p", "a")),
            (3, exact("q", "c")),
            (4, exact("i", "o")),
            (5, exact("i\n\n### Input:\nin", "o")),
            (6, choice(1)),
            (7, choice(0)),
            (8, (conversation, Expected::ExactMatch("a".to_owned()))),
            (9, (scene, Expected::ExactMatch("7".to_owned()))),
        ];
        let expected = expected.map(|(number, (prompt, expected))| Task { number, prompt, expected });
        assert_eq!(read_text(&format!("\u{feff}{}", lines.join("\n"))).unwrap(), expected);
        let elements: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        let of_array = read_text(&format!("[{}]", elements.join(",\n"))).unwrap();
        assert_eq!(of_array.iter().map(|task| task.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(of_array[4].expected, expected[4].expected);
    }

    #[test]
    fn a_wrong_line_is_named_with_what_was_expected_and_found() {
        for (line, parts) in [
            ("nothing", &["line 2", "expected a JSON object"][..]),
            ("[7]", &["line 2", "expected a JSON object, found [7]"]),
            (r#"{"text": "x"}"#, &["one of `prompt`, `question`, `instruction` or `messages`, found `text`"]),
            (r#"{"prompt": "p"}"#, &["one of `answer`, `output`, `completion`, `response`, found none"]),
            (r#"{"prompt": "p", "answer": [7]}"#, &["expected `answer` to be a text, found [7]"]),
            (r#"{"prompt": " ", "answer": "a"}"#, &["expected `prompt` to be a text"]),
            (r#"{"prompt": "p", "question": "q", "answer": "a"}"#, &["either `prompt` or `question`"]),
            (r#"{"prompt": "p", "input": [], "answer": "a"}"#, &["expected `input` to be a text"]),
            (r#"{"prompt": "p", "choices": ["x"], "answer": 0}"#, &["two or more texts"]),
            (r#"{"prompt": "p", "choices": ["x", "y"], "answer": 2}"#, &["its index, 0 to 1, found 2"]),
            (r#"{"prompt": "p", "choices": ["x", "y"], "answer": "z"}"#, &[r#"found "z""#]),
            (r#"{"messages": [{"role": "user", "content": "u"}]}"#, &["answer of the `assistant`"]),
            (r#"{"messages": [{"role": "assistant", "content": "a"}]}"#, &["after what is asked"]),
            (r#"{"messages": [{"role": "tool", "content": "a"}]}"#, &["`role` and `content`", "tool"]),
            (r#"{"messages": [], "choices": []}"#, &["either `messages` or `choices`"]),
        ] {
            let error =
                read_text(&format!("{{\"prompt\": \"p\", \"answer\": \"a\"}}\n{line}\n")).unwrap_err();
            assert!(error.contains("tasks.jsonl, line 2: "), "{error}");
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
        assert!(read_text("\n").unwrap_err().contains("it has no tasks"));
        assert!(read_text("[{\"prompt\": \"p\"}]").unwrap_err().contains("element 1"));
        let long = format!("{{\"prompt\": \"p\", \"answer\": [\"{}\"]}}", "x".repeat(100));
        assert!(read_text(&long).unwrap_err().ends_with('…'));
    }
}
