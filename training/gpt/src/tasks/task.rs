//! Task: a question and its right answer.

use artifact::chat::Message;

/// A question and its right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The number of its line in the file, or of its element in the array, from 1.
    pub number: usize,
    /// What comes before the answer.
    pub prompt: Prompt,
    /// The answer.
    pub expected: Expected,
}

/// What comes before an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text: what the user says to a model that answers, and what one that does not continues.
    Text(String),
    /// A conversation.
    Conversation(Vec<Message>),
}

/// The right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// What the model is to say.
    ExactMatch(String),
    /// What it is to find the most likely.
    MultipleChoice {
        /// Two or more texts.
        choices: Vec<String>,
        /// The index of the right one.
        answer: usize,
    },
}

impl Expected {
    /// The text of the right answer.
    pub fn text(&self) -> &str {
        match self {
            Self::ExactMatch(answer) => answer,
            Self::MultipleChoice { choices, answer } => &choices[*answer],
        }
    }
}
