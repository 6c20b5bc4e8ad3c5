//! Conversation: what was said so far, and as much of it as the model's context holds.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact::ChatTemplate;
use artifact::chat::{FittingPrompt, Message, Role, TemplateError};
use engine::{GenerationOptions, TextStream};

use super::error::ChatError;
use super::respondent::Respondent;

/// Of the context, what the oldest turns leave for an answer that is not said to be shorter: one part of so many.
const ROOM: usize = 4;

/// What the user and the model have said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    system: Option<Message>,
    exchanges: Vec<Exchange>,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exchange {
    question: Message,
    answer: Message,
}

impl Conversation {
    /// A conversation in which nothing was said, with a message that sets the scene if there is one.
    pub fn new(system: Option<String>) -> Self {
        Self { system: system.map(|text| Message::new(Role::System, text)), exchanges: Vec::new() }
    }

    /// Begins anew, in the same scene.
    pub fn restart(&mut self) {
        self.exchanges.clear();
    }

    /// Takes back the last question and its answer; false if there are none.
    pub fn undo(&mut self) -> bool {
        self.exchanges.pop().is_some()
    }

    /// Asks a question, and gives the answer to `write` piece by piece; `stop` ends it, and what was said by then stays.
    /// The oldest exchanges leave if there would be no room for the answer.
    ///
    /// # Errors
    /// If the model has no chat template or fails, the question leaves no room, or the answer cannot be written. Nothing was
    /// said then.
    pub fn ask(
        &mut self,
        respondent: &Respondent,
        question: &str,
        options: GenerationOptions,
        stop: &AtomicBool,
        mut write: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), ChatError> {
        let template = respondent.chat_template().ok_or(ChatError::NoTemplate)?;
        let question = Message::new(Role::User, question);
        let context_length = respondent.context_length();
        let room = options.max_tokens.min(context_length / ROOM).max(1);
        let limit = context_length - room;
        let ids = self.prompt(&question, limit, |messages| {
            template.fitting_prompt(respondent.tokenizer(), messages, limit)
        })?;
        let options = GenerationOptions {
            max_tokens: options.max_tokens.min(context_length - ids.len()),
            stop_ids: respondent.stop_ids().to_vec(),
            ..options
        };
        let mut stream = TextStream::new(respondent.tokenizer().as_ref(), stops(template));
        let (mut answer, mut outcome) = (String::new(), Ok(()));
        let mut say = |answer: &mut String, piece: &str| {
            // What an answer begins with is not shown, but is part of it.
            let shown = if answer.trim().is_empty() { piece.trim_start() } else { piece };
            answer.push_str(piece);
            write(shown)
        };
        respondent.engine().generate_with(&ids, &options, |token| {
            if stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            if token.is_stop {
                return ControlFlow::Continue(());
            }
            // The engine draws ids of the tokenizer alone.
            let Ok(piece) = stream.push(token.id) else { return ControlFlow::Break(()) };
            outcome = say(&mut answer, &piece.text);
            if piece.stopped || outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        outcome?;
        say(&mut answer, &stream.finish())?;
        self.exchanges.push(Exchange { question, answer: Message::new(Role::Assistant, answer) });
        Ok(())
    }

    /// The ids of the conversation and of a question, after the oldest exchanges have left that do not fit into `limit` ids.
    fn prompt(
        &mut self,
        question: &Message,
        limit: usize,
        fit: impl Fn(&[Message]) -> Result<FittingPrompt, TemplateError>,
    ) -> Result<Vec<u32>, ChatError> {
        let FittingPrompt { ids, dropped } = fit(&self.messages(question))?;
        if ids.len() > limit {
            return Err(ChatError::TooLong { tokens: ids.len(), limit });
        }
        // An exchange is two messages.
        self.exchanges.drain(..dropped / 2);
        Ok(ids)
    }

    /// All that was said, and a question.
    fn messages(&self, question: &Message) -> Vec<Message> {
        let exchanges = self.exchanges.iter().flat_map(|exchange| [&exchange.question, &exchange.answer]);
        self.system.iter().chain(exchanges).chain([question]).cloned().collect()
    }
}

/// The texts that end an answer, where no token does.
fn stops(template: &ChatTemplate) -> Vec<String> {
    template.stop().map(str::to_owned).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use artifact::Tokenizer;

    use super::*;

    fn exchange(number: usize) -> Exchange {
        Exchange {
            question: Message::new(Role::User, format!("q{number}")),
            answer: Message::new(Role::Assistant, format!("a{number}")),
        }
    }

    fn conversation(exchanges: usize) -> Conversation {
        let system = Some(Message::new(Role::System, "sy"));
        Conversation { system, exchanges: (0..exchanges).map(exchange).collect() }
    }

    /// The text, and how many exchanges are left, by a template that writes what is said and nothing else.
    fn prompt(conversation: &mut Conversation, limit: usize) -> Result<(String, usize), ChatError> {
        let template = ChatTemplate::new("{% for m in messages %}{{ m.content }}{% endfor %}")?;
        let (bytes, question) = (Tokenizer::bytes().unwrap(), Message::new(Role::User, "qx"));
        let ids = conversation
            .prompt(&question, limit, |messages| template.fitting_prompt(&bytes, messages, limit))?;
        Ok((bytes.decode(&ids).unwrap(), conversation.exchanges.len()))
    }

    #[test]
    fn the_oldest_exchanges_leave_and_the_scene_stays() {
        let found = |limit| prompt(&mut conversation(2), limit).unwrap();
        assert_eq!(found(12), ("syq0a0q1a1qx".to_owned(), 2));
        assert_eq!(found(11), ("syq1a1qx".to_owned(), 1));
        assert_eq!(found(4), ("syqx".to_owned(), 0));
        // A question that leaves no room takes none.
        let mut two = conversation(2);
        let error = prompt(&mut two, 3).unwrap_err();
        assert!(matches!(error, ChatError::TooLong { tokens: 4, limit: 3 }), "{error}");
        assert_eq!(two, conversation(2));
    }

    #[test]
    fn the_last_exchange_can_be_taken_back_and_all_of_them() {
        let mut two = conversation(2);
        assert!(two.undo());
        assert_eq!(two, conversation(1));
        two.restart();
        assert!(!two.undo());
        assert_eq!(two, Conversation::new(Some("sy".to_owned())));
    }
}
