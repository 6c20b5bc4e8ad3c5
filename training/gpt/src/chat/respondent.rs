//! Model that is asked: its engine, its tokenizer, and the chat template of one that answers.

use std::sync::Arc;

use artifact::chat::TemplateError;
use artifact::{ChatTemplate, Tokenizer};
use engine::{Engine, OnnxModel};

/// A model that is asked.
pub struct Respondent {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    /// Whether the template is its own.
    answers: bool,
    stop_ids: Vec<u32>,
}

impl Respondent {
    /// A model with its tokenizer, and its chat template if it answers.
    ///
    /// # Errors
    /// If the template fails.
    pub fn new(
        model: OnnxModel,
        tokenizer: Tokenizer,
        chat_template: Option<ChatTemplate>,
    ) -> Result<Self, TemplateError> {
        let answers = chat_template.is_some();
        let template = chat_template.map_or_else(ChatTemplate::plain, Ok)?;
        let end_of_answer = template.end_of_answer(&tokenizer)?;
        let stop_ids = tokenizer.end_of_text().into_iter().chain(end_of_answer).collect();
        let engine = Engine::new(model).with_tokenizer_size(tokenizer.vocab_size());
        Ok(Self { engine, tokenizer: Arc::new(tokenizer), template, answers, stop_ids })
    }

    /// The engine that runs it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its tokenizer, which sinks of the engine keep.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// How it is asked, if it answers; else it continues texts.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.answers.then_some(&self.template)
    }

    /// How a conversation is written: by its own template, or by `plain`, which any model of texts can go on with.
    pub fn conversation_template(&self) -> &ChatTemplate {
        &self.template
    }

    /// The tokens that end what it says: the end of a text, and that of an answer.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// The most tokens that it sees at once.
    pub fn context_length(&self) -> usize {
        self.engine.config().context_length
    }
}
