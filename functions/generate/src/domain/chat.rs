//! Conversations with a served model: its chat template, and where an answer ends.

use artifact::Tokenizer;
use artifact::chat::{ChatTemplate, FittingPrompt, Message, TemplateError};

/// How a model takes part in conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    template: ChatTemplate,
    /// Whether the version has the template, and so answers.
    is_own: bool,
    end: Option<u32>,
}

impl Chat {
    /// By the template of the version, or else by the plain one.
    ///
    /// # Errors
    /// If the template fails at a question and an answer, or refuses them.
    pub fn new(own: Option<ChatTemplate>, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let is_own = own.is_some();
        let template = match own {
            Some(template) => template,
            None => ChatTemplate::plain()?,
        };
        Ok(Self { is_own, end: template.end_of_answer(tokenizer)?, template })
    }

    /// The template.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// The name of the template, if it is the version's own.
    pub fn own_name(&self) -> Option<&'static str> {
        self.is_own.then(|| self.template.name())
    }

    /// The special token that ends an answer, if one does.
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// The text that ends an answer, if one does.
    pub fn stop(&self) -> Option<&'static str> {
        self.template.stop()
    }

    /// Whether the prompt ends before the space that an answer begins with.
    pub fn leaves_space(&self) -> bool {
        self.template.is_plain()
    }

    /// A conversation in at most `room` tokens, see [`ChatTemplate::fitting_prompt`].
    ///
    /// # Errors
    /// If the template fails, or refuses the conversation.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        room: usize,
    ) -> Result<FittingPrompt, TemplateError> {
        self.template.fitting_prompt(tokenizer, messages, room)
    }
}

#[cfg(test)]
mod tests {
    use artifact::chat::Role;

    use super::*;

    #[test]
    fn a_model_without_a_template_continues_a_play() {
        let bytes = Tokenizer::bytes().unwrap();
        let plain = Chat::new(None, &bytes).unwrap();
        assert_eq!((plain.own_name(), plain.end(), plain.stop()), (None, None, Some("\nUser:")));
        assert!(plain.leaves_space());
        let ids = plain.encode(&bytes, &[Message::new(Role::User, "Hello")], usize::MAX).unwrap().ids;
        assert_eq!(bytes.decode(&ids).unwrap(), "User: Hello\nAssistant:");
    }

    #[test]
    fn a_model_with_a_template_ends_its_answers_by_it() {
        let bytes = Tokenizer::bytes().unwrap().with_special(&["<|im_start|>", "<|im_end|>"]).unwrap();
        let built_in = |name| Chat::new(ChatTemplate::built_in(name), &bytes).unwrap();
        let chatml = built_in("chatml");
        // 256 bytes, the end of text, and these two.
        assert_eq!((chatml.own_name(), chatml.end(), chatml.stop()), (Some("chatml"), Some(258), None));
        assert!(!chatml.leaves_space());
        assert_eq!(built_in("instruction").end(), bytes.end_of_text());
        let plain = built_in("plain");
        assert_eq!((plain.own_name(), plain.end(), plain.stop()), (Some("plain"), None, Some("\nUser:")));
    }

    #[test]
    fn a_template_that_takes_no_question_and_answer_is_none() {
        let refusing = ChatTemplate::new("{{ raise_exception('no') }}").unwrap();
        let error = Chat::new(Some(refusing), &Tokenizer::bytes().unwrap()).unwrap_err();
        assert_eq!(error, TemplateError::Refused("no".to_owned()));
    }
}
