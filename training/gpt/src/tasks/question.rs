//! Task as token ids: what the model is asked, and what it would say.

use artifact::chat::{ChatTemplate, Message, Role, TemplateError};
use artifact::{Tokenizer, chat};

use super::error::TasksError;
use super::task::{Prompt, Task};
use crate::chat::Respondent;

/// Where an answer of a model without a chat template ends.
const LINE_END: &str = "\n";

/// What a model is asked.
pub struct Question<'a> {
    tokenizer: &'a Tokenizer,
    number: usize,
    form: Form<'a>,
    stop: Option<&'static str>,
}

/// How it is written.
enum Form<'a> {
    /// By a chat template.
    Conversation(&'a ChatTemplate, Vec<Message>),
    /// As it is, to be continued.
    Text(&'a str),
}

/// A text to be scored after others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// Ids of what comes before, at least one.
    pub context: Vec<u32>,
    /// Its own, at least one.
    pub ids: Vec<u32>,
}

impl<'a> Question<'a> {
    /// A task for a model: by its chat template if it answers; else it continues the text, and a conversation as the template
    /// `plain` writes it, as in serving.
    pub fn new(task: &'a Task, respondent: &'a Respondent) -> Self {
        let own = respondent.chat_template();
        let form = match (&task.prompt, own) {
            (Prompt::Text(text), Some(template)) => {
                Form::Conversation(template, vec![Message::new(Role::User, text)])
            }
            (Prompt::Text(text), None) => Form::Text(text),
            (Prompt::Conversation(messages), _) => {
                Form::Conversation(respondent.conversation_template(), messages.clone())
            }
        };
        let stop = match own {
            Some(template) => template.stop(),
            None => Some(LINE_END),
        };
        Self { tokenizer: respondent.tokenizer(), number: task.number, form, stop }
    }

    /// The text that ends an answer, if one does.
    pub fn stop(&self) -> Option<&'static str> {
        self.stop
    }

    /// The ids that the model goes on after.
    ///
    /// # Errors
    /// If the chat template fails, or refuses the conversation.
    pub fn prompt(&self) -> Result<Vec<u32>, TasksError> {
        match &self.form {
            Form::Conversation(template, messages) => {
                template.prompt(self.tokenizer, messages).map_err(|error| self.failed(error))
            }
            Form::Text(text) => Ok(self.tokenizer.encode(text)),
        }
    }

    /// An answer as its continuation, without the token that ends it.
    ///
    /// # Errors
    /// If the chat template fails, or has no place for the answer.
    pub fn continuation(&self, answer: &str) -> Result<Continuation, TasksError> {
        let continuation = match &self.form {
            Form::Conversation(template, messages) => {
                let said = [&messages[..], &[Message::new(Role::Assistant, answer)]].concat();
                let example = template.example(self.tokenizer, &said).map_err(|error| self.failed(error))?;
                answer_in(example, self.tokenizer)
            }
            Form::Text(text) => Some(after_text(text, answer, self.tokenizer)),
        };
        let is_whole = |found: &Continuation| !found.context.is_empty() && !found.ids.is_empty();
        continuation
            .filter(is_whole)
            .ok_or_else(|| TasksError::NoAnswer { number: self.number, answer: answer.to_owned() })
    }

    fn failed(&self, source: TemplateError) -> TasksError {
        TasksError::Template { number: self.number, source }
    }
}

/// The last answer of an example, up to the special token that ends it; where none does, with what the template writes
/// after it.
fn answer_in(example: chat::Example, tokenizer: &Tokenizer) -> Option<Continuation> {
    let range = example.answers.last()?.clone();
    let special: Vec<u32> = tokenizer.special_tokens().into_iter().map(|(id, _)| id).collect();
    let (context, ids) = (&example.ids[..range.start], &example.ids[range]);
    let end = ids.iter().position(|id| special.contains(id)).unwrap_or(ids.len());
    Some(Continuation { context: context.to_vec(), ids: ids[..end].to_vec() })
}

/// A text after another, with a space between them if there is none. As in lm-eval, white space at the end of the context
/// is that of the continuation, which the tokenizer has learned with a space before it.
fn after_text(context: &str, answer: &str, tokenizer: &Tokenizer) -> Continuation {
    let trimmed = context.trim_end();
    let mut following = context[trimmed.len()..].to_owned();
    if following.is_empty() && !answer.starts_with(char::is_whitespace) {
        following.push(' ');
    }
    following += answer;
    let context = tokenizer.encode(trimmed);
    let mut whole = tokenizer.encode(&format!("{trimmed}{following}"));
    // Where the two would share a token, they are encoded one by one.
    let ids = match whole.starts_with(&context) && whole.len() > context.len() {
        true => whole.split_off(context.len()),
        false => tokenizer.encode_part(&following, false),
    };
    Continuation { context, ids }
}
