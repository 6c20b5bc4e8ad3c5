//! Corpus settings: which texts, and how documents are told apart in them.

use serde::{Deserialize, Serialize};

use super::source::Source;

/// The separator of documents in a file that most published corpora use.
pub const SEPARATOR: &str = "<|endoftext|>";

/// The field or column that holds the text in most published corpora.
pub const TEXT_FIELD: &str = "text";

/// The texts to train on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusSettings {
    /// Files, folders, patterns and addresses, in this order.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Texts to validate with. Where there are some, the sources are for training alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<Source>,
    /// Whether the sources are conversations, of which the answers are learned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub conversations: bool,
    /// How conversations are written: the name of a built-in chat template, or the path of one; without it, as the model
    /// that learns them does already, or `instruction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// What stands between two documents in a file; empty if nothing does.
    #[serde(default = "separator", skip_serializing_if = "is_separator")]
    pub separator: String,
    /// The field or column of JSON Lines and Parquet that holds the text.
    #[serde(default = "text_field", skip_serializing_if = "is_text_field")]
    pub text_field: String,
    /// Whether a document that is identical to an earlier one is left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deduplicate: bool,
}

impl Default for CorpusSettings {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            validation: Vec::new(),
            conversations: false,
            chat_template: None,
            separator: separator(),
            text_field: text_field(),
            deduplicate: false,
        }
    }
}

fn separator() -> String {
    SEPARATOR.to_owned()
}

fn is_separator(text: &str) -> bool {
    text == SEPARATOR
}

fn text_field() -> String {
    TEXT_FIELD.to_owned()
}

fn is_text_field(text: &str) -> bool {
    text == TEXT_FIELD
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}
