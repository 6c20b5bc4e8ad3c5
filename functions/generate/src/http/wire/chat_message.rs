//! Messages of a chat request: what is said, as a text or as parts.

use artifact::chat::{Message, Role};
use serde::Deserialize;
use utoipa::ToSchema;

use super::validate::check;
use crate::http::error::ApiError;
use crate::http::limits::MAX_PROMPT_CHARS;

/// A message.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ChatMessage {
    /// Who says it.
    pub role: ChatRole,
    /// What is said; nothing if it is left out.
    #[serde(default)]
    pub content: Option<ChatContent>,
    /// A name of whoever says it, which changes nothing.
    #[serde(default)]
    #[allow(dead_code)] // Known, so that it is not named among the ignored fields.
    pub name: Option<String>,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// Whoever sets the scene.
    System,
    /// The same by its later name.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// A text, or parts of one.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text, or a list of parts with `type` and `text`")]
pub enum ChatContent {
    /// A text.
    Text(ContentText),
    /// Its parts.
    Parts(ContentParts),
}

/// A text that is said.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ContentText(pub String);

/// Parts of a text that is said.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ContentParts(pub Vec<ContentPart>);

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ContentPart {
    /// `text`; this server knows no others.
    #[serde(rename = "type")]
    #[schema(pattern = "^text$")]
    pub kind: String,
    /// The text.
    #[serde(default)]
    pub text: Option<String>,
}

/// What is said in a conversation.
///
/// # Errors
/// If something else than text is in it, or too much.
pub fn conversation(messages: &[ChatMessage]) -> Result<Vec<Message>, ApiError> {
    let said = messages.iter().enumerate().map(|(index, message)| {
        let role = match message.role {
            ChatRole::System | ChatRole::Developer => Role::System,
            ChatRole::User => Role::User,
            ChatRole::Assistant => Role::Assistant,
        };
        let content = match &message.content {
            None => String::new(),
            Some(ChatContent::Text(ContentText(text))) => text.clone(),
            Some(ChatContent::Parts(ContentParts(parts))) => text(index, parts)?,
        };
        Ok(Message::new(role, content))
    });
    let said = said.collect::<Result<Vec<_>, ApiError>>()?;
    let chars = said.iter().map(|message| message.content.chars().count()).sum::<usize>();
    check("messages", chars, 0..=MAX_PROMPT_CHARS).map_err(|_| {
        let found = format_args!("{chars} characters long in all");
        ApiError::out_of_range("messages", found, format_args!("at most {MAX_PROMPT_CHARS}"))
    })?;
    Ok(said)
}

fn text(message: usize, parts: &[ContentPart]) -> Result<String, ApiError> {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        if part.kind != "text" {
            let field = format!("messages[{message}].content[{index}].type");
            return Err(ApiError::out_of_range(&field, format_args!("`{}`", part.kind), "`text`"));
        }
        text += part.text.as_deref().unwrap_or_default();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Result<Vec<Message>, ApiError> {
        conversation(&serde_json::from_str::<Vec<ChatMessage>>(json).unwrap())
    }

    #[test]
    fn a_text_may_come_in_parts() {
        let says = |role, content: &str| Message::new(role, content);
        let found = said(
            r#"[{"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "How "}, {"type": "text", "text": "are you?"}], "name": "a"},
                {"role": "assistant", "content": null}]"#,
        );
        let expected = vec![
            says(Role::System, "Be brief."),
            says(Role::User, "How are you?"),
            says(Role::Assistant, ""),
        ];
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn what_is_no_text_is_named() {
        let image = r#"[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]"#;
        let error = said(image).unwrap_err();
        assert!(
            matches!(error, ApiError::InvalidField { field, .. } if field == "messages[0].content[0].type")
        );
        let long = format!(r#"[{{"role": "user", "content": "{}"}}]"#, "x".repeat(MAX_PROMPT_CHARS + 1));
        assert!(said(&long).is_err());
        assert!(serde_json::from_str::<ChatMessage>(r#"{"role": "tool", "content": "x"}"#).is_err());
    }
}
