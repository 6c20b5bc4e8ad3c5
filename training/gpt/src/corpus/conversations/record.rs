//! Record of instruction data: a conversation, in the shapes that published data sets have.
//!
//! | fields | known from |
//! |---|---|
//! | `messages`: list of `role` and `content` | OpenAI, trl |
//! | `conversations`: list of `from` and `value` | ShareGPT |
//! | `instruction`, `input` or `context`, `output` or `response` | Alpaca, LLMs-from-scratch chapter 7, Dolly |
//! | `prompt`, `completion` or `response`: texts, or lists of messages | OpenAI, trl |
//! | `question`, `answer` | GSM8K |
//!
//! `system` beside any but the first two is a message of the system. Other fields are passed over.

use artifact::chat::{Message, Role};
use serde_json::{Map, Value};

/// Names of other fields in an error.
const MAX_NAMES: usize = 8;
/// Fields that say what is asked, and those that answer it.
const PAIRS: [(&str, &[&str]); 3] = [
    ("instruction", &["output", "response"]),
    ("prompt", &["completion", "response"]),
    ("question", &["answer"]),
];

/// The messages of a record; none if there is no answer to learn, as published data has here and there.
///
/// # Errors
/// What was expected and what was found.
pub(super) fn messages(record: &Value) -> Result<Option<Vec<Message>>, String> {
    let Value::Object(fields) = record else {
        return Err(format!("expected an object, found {}", kind(record)));
    };
    let messages = match (fields.get("messages"), fields.get("conversations")) {
        (Some(list), _) => listed("messages", list, ["role", "content"])?,
        (_, Some(list)) => listed("conversations", list, ["from", "value"])?,
        _ => pair(fields)?,
    };
    match messages.last() {
        Some(message) if message.role == Role::Assistant => {
            let is_empty = message.content.trim().is_empty();
            Ok((!is_empty).then_some(messages))
        }
        _ => {
            Err("expected the last message to be the assistant's, so that there is an answer to learn"
                .to_owned())
        }
    }
}

/// A question and its answer.
fn pair(fields: &Map<String, Value>) -> Result<Vec<Message>, String> {
    let given = |names: &[&str]| names.iter().find_map(|name| fields.get_key_value(*name));
    let found = PAIRS
        .iter()
        .find_map(|(asks, answers)| Some((fields.get_key_value(*asks)?, given(answers), answers)));
    let Some((asked, answer, answers)) = found else {
        let mut names: Vec<String> = fields.keys().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
        if fields.len() > MAX_NAMES {
            names.push("…".to_owned());
        }
        return Err(format!(
            "expected `messages`, `conversations`, `instruction` with `output`, `prompt` with `completion`, or `question` \
             with `answer`; found {}",
            if names.is_empty() { "no fields".to_owned() } else { names.join(", ") }
        ));
    };
    let Some(answer) = answer else {
        return Err(format!("it has `{}`, and no `{}`", asked.0, answers.join("` or `")));
    };
    let mut messages = Vec::new();
    if let Some(system) = fields.get("system").filter(|system| !is_blank(system)) {
        messages.push(Message::new(Role::System, text("system", system)?));
    }
    messages.extend(said(asked, Role::User)?);
    if let Some((name, input)) = given(&["input", "context"]).filter(|(_, input)| !is_blank(input))
        && let Some(message) = messages.last_mut().filter(|_| asked.0 == "instruction")
    {
        message.content = format!("{}\n\n### Input:\n{}", message.content, text(name, input)?);
    }
    messages.extend(said(answer, Role::Assistant)?);
    Ok(messages)
}

/// A text, or messages.
fn said((name, value): (&String, &Value), role: Role) -> Result<Vec<Message>, String> {
    match value {
        Value::Array(_) => listed(name, value, ["role", "content"]),
        _ => Ok(vec![Message::new(role, text(name, value)?)]),
    }
}

fn listed(name: &str, list: &Value, [role_field, content_field]: [&str; 2]) -> Result<Vec<Message>, String> {
    let Value::Array(list) = list else {
        return Err(format!("`{name}` is {}, expected a list of messages", kind(list)));
    };
    let message = |(index, message): (usize, &Value)| {
        let place = |field: &str| format!("{name}[{index}].{field}");
        let field = |field: &str| message.get(field).ok_or_else(|| format!("`{}` is missing", place(field)));
        let role = match field(role_field)?.as_str() {
            Some("system" | "developer") => Role::System,
            Some("user" | "human") => Role::User,
            Some("assistant" | "gpt" | "model") => Role::Assistant,
            found => {
                let found = found.map_or_else(|| "no text".to_owned(), |found| format!("`{found}`"));
                return Err(format!(
                    "`{}` is {found}, expected system, user or assistant",
                    place(role_field)
                ));
            }
        };
        Ok(Message::new(role, text(&place(content_field), field(content_field)?)?))
    };
    list.iter().enumerate().map(message).collect()
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        // A number is an answer too.
        Value::Number(number) => Ok(number.to_string()),
        // Parts, as in OpenAI's messages.
        Value::Array(parts) => {
            let part = |(index, part): (usize, &Value)| {
                let is_text = part.get("type").is_none_or(|kind| kind == "text");
                let text = part.get("text").and_then(Value::as_str).filter(|_| is_text).map(str::to_owned);
                text.ok_or_else(|| {
                    format!("`{name}[{index}]` is no text: expected `type` \"text\" and `text`")
                })
            };
            parts.iter().enumerate().map(part).collect()
        }
        _ => Err(format!("`{name}` is {}, expected a text", kind(value))),
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(role: Role, content: &str) -> Message {
        Message::new(role, content)
    }

    #[test]
    fn the_shapes_of_published_data_are_read() {
        let expected = [says(Role::User, "Who?"), says(Role::Assistant, "I.")];
        for record in [
            json!({"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]}),
            json!({"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}], "id": 1}),
            json!({"instruction": "Who?", "input": "", "output": "I."}),
            json!({"instruction": "Who?", "context": null, "response": "I.", "category": "qa"}),
            json!({"prompt": "Who?", "completion": "I."}),
            json!({"prompt": [{"role": "user", "content": "Who?"}], "completion": [{"role": "assistant", "content": "I."}]}),
            json!({"question": "Who?", "answer": "I."}),
            json!({"messages": [
                {"role": "user", "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "o?"}]},
                {"role": "assistant", "content": "I."},
            ]}),
        ] {
            assert_eq!(messages(&record).unwrap().as_deref(), Some(&expected[..]), "{record}");
        }
        let with_input =
            json!({"system": "Be brief.", "instruction": "Double it.", "input": "4", "output": 8});
        let expected = [
            says(Role::System, "Be brief."),
            says(Role::User, "Double it.\n\n### Input:\n4"),
            says(Role::Assistant, "8"),
        ];
        assert_eq!(messages(&with_input).unwrap().unwrap(), expected);
        assert_eq!(messages(&json!({"instruction": "x", "input": "", "output": " "})), Ok(None));
    }

    #[test]
    fn what_is_no_conversation_says_what_is_wrong() {
        for (record, expected) in [
            (json!(["x"]), "expected an object, found a list"),
            (json!({"text": "x"}), "found `text`"),
            (json!({}), "found no fields"),
            (json!({"instruction": "x"}), "it has `instruction`, and no `output` or `response`"),
            (json!({"question": "x", "answer": ["y"]}), "`answer[0].role` is missing"),
            (json!({"question": "x", "answer": true}), "`answer` is true or false, expected a text"),
            (json!({"messages": "x"}), "`messages` is a text, expected a list"),
            (json!({"messages": []}), "expected the last message to be the assistant's"),
            (
                json!({"messages": [{"role": "user", "content": "x"}]}),
                "expected the last message to be the assistant's",
            ),
            (
                json!({"messages": [{"role": "tool", "content": "x"}]}),
                "`messages[0].role` is `tool`, expected system, user or assistant",
            ),
            (json!({"messages": [{"role": "user"}]}), "`messages[0].content` is missing"),
            (json!({"messages": [{"role": "user", "content": [1]}]}), "`messages[0].content[0]` is no text"),
        ] {
            let error = messages(&record).unwrap_err();
            assert!(error.contains(expected), "{record}: {error}");
        }
    }
}
