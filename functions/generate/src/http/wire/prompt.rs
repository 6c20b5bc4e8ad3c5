//! Prompts of a completion request: a text, token ids, or a list of either.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validate::{check_list, check_text};
use crate::domain::prompt;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_PROMPT_CHARS, MAX_PROMPTS};
use crate::http::strict::ids;

/// A text, token ids, a list of texts, or a list of lists of token ids.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected a text, a list of texts, a list of token ids, or a list of lists of token ids"
)]
pub enum Prompt {
    /// A text.
    Text(PromptText),
    /// Token ids.
    Ids(PromptIds),
    /// Several texts.
    Texts(PromptTexts),
    /// Several lists of token ids.
    IdLists(PromptIdLists),
}

/// A text to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(max_length = 16384)]
pub struct PromptText(pub String);

/// Token ids to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 16384)]
pub struct PromptIds(#[serde(deserialize_with = "ids")] pub Vec<u32>);

/// Texts to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 128)]
pub struct PromptTexts(pub Vec<PromptText>);

/// Lists of token ids to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 128)]
pub struct PromptIdLists(pub Vec<PromptIds>);

impl Prompt {
    /// Checks lengths.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<(), ApiError> {
        let check_one = |text: &PromptText| check_text("prompt", &text.0, 0..=MAX_PROMPT_CHARS);
        let check_ids = |ids: &PromptIds| check_list("prompt", &ids.0, 1..=MAX_PROMPT_CHARS);
        match self {
            Self::Text(text) => check_one(text),
            Self::Ids(ids) => check_ids(ids),
            Self::Texts(PromptTexts(texts)) => {
                check_list("prompt", texts, 1..=MAX_PROMPTS)?;
                texts.iter().try_for_each(check_one)
            }
            Self::IdLists(PromptIdLists(lists)) => {
                check_list("prompt", lists, 1..=MAX_PROMPTS)?;
                lists.iter().try_for_each(check_ids)
            }
        }
    }

    /// The prompts of the pipeline. Without one, a new text begins.
    pub fn all(prompt: Option<&Self>, with_special: bool) -> Vec<prompt::Prompt> {
        let text = |text: &PromptText| prompt::Prompt::of_text(text.0.clone(), with_special);
        let ids = |ids: &PromptIds| prompt::Prompt::Ids(ids.0.clone());
        match prompt {
            None => vec![prompt::Prompt::Text(String::new())],
            Some(Self::Text(one)) => vec![text(one)],
            Some(Self::Ids(one)) => vec![ids(one)],
            Some(Self::Texts(texts)) => texts.0.iter().map(text).collect(),
            Some(Self::IdLists(lists)) => lists.0.iter().map(ids).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_several_are_lists() {
        let all = |json: &str| Prompt::all(Some(&serde_json::from_str(json).unwrap()), false);
        let text = |text: &str| prompt::Prompt::Text(text.to_owned());
        let ids = |ids: &[u32]| prompt::Prompt::Ids(ids.to_vec());
        assert_eq!(all(r#""a""#), [text("a")]);
        assert_eq!(all(r#"["a", "b"]"#), [text("a"), text("b")]);
        assert_eq!(all("[1, 2]"), [ids(&[1, 2])]);
        assert_eq!(all("[[1, 2], [3]]"), [ids(&[1, 2]), ids(&[3])]);
        assert_eq!(Prompt::all(None, true), [text("")]);
        for json in ["5", r#"["a", 1]"#, "[[1], 2]", "[-1]", "[1.5]", "{}"] {
            assert!(serde_json::from_str::<Prompt>(json).is_err(), "{json}");
        }
        for json in ["[]".to_owned(), "[[]]".to_owned(), format!("{:?}", ["a"; MAX_PROMPTS + 1])] {
            assert!(serde_json::from_str::<Prompt>(&json).unwrap().check().is_err(), "{json}");
        }
    }
}
