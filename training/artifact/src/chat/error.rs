//! Errors of chat templates.

/// Why a template cannot be used, or not for a conversation.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum TemplateError {
    /// It is no Jinja, or fails.
    #[error("the chat template{place}: {reason}")]
    Jinja {
        /// Where, such as ` in line 3`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// It writes today's date.
    #[error(
        "the chat template writes today's date (strftime_now), with which the same conversation would be another text each day, \
         in training and in serving: write a date into the template, or leave it out"
    )]
    Clock,
    /// It refuses a conversation.
    #[error("the chat template refuses the conversation: {0}")]
    Refused(String),
    /// The text of a conversation does not begin with that of its beginning.
    #[error(
        "the chat template writes an answer otherwise than it asks for one: expected the text with the answer to begin with \
         {expected:?}, found {found:?}; mark answers with {{% generation %}} and {{% endgeneration %}}"
    )]
    NotAPrefix {
        /// The last of the text that asks for the answer.
        expected: String,
        /// What is in its place.
        found: String,
    },
    /// Nothing that no text can say ends an answer.
    #[error(
        "the chat template ends an answer with {found:?}, expected a special token of the tokenizer ({special}): write \
         {{{{ eos_token }}}} after an assistant's message, or add the token"
    )]
    NoEnd {
        /// What follows an answer.
        found: String,
        /// The special tokens that there are.
        special: String,
    },
    /// There is nothing to mark contents with.
    #[error(
        "a message has every one of the characters U+FDD0 to U+FDEF, which are none of a text: remove them"
    )]
    Noncharacters,
}
