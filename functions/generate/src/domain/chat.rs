//! Chat template: a conversation as the text that a model continues.
//!
//! No version has a template of its own yet. The plain one writes names before what is said, as a play does, which any
//! model of texts can continue; [`TEMPLATE`] names it in answers.

/// Name of the template.
pub const TEMPLATE: &str = "plain";

/// The same as a Jinja template, for clients that write conversations themselves.
pub const JINJA: &str = "{% for message in messages %}{% if message.role in ['system', 'developer'] %}{{ message.content | trim }}\n\n\
{% elif message.role == 'user' %}User: {{ message.content | trim }}\n\
{% else %}Assistant: {{ message.content | trim }}\n\
{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";

/// Where an answer ends: the model goes on with what the user says next.
pub const STOPS: [&str; 1] = ["\nUser:"];

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever sets the scene.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// Something that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// The text of a conversation, to be continued with the model's answer.
pub fn render(messages: &[Message]) -> String {
    let mut text = String::new();
    for Message { role, content } in messages {
        let content = content.trim();
        text += &match role {
            Role::System => format!("{content}\n\n"),
            Role::User => format!("User: {content}\n"),
            Role::Assistant => format!("Assistant: {content}\n"),
        };
    }
    text + "Assistant:"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_what_is_said() {
        let says = |role, content: &str| Message { role, content: content.to_owned() };
        let messages = [
            says(Role::System, "Two friends talk.\n"),
            says(Role::User, "Hello"),
            says(Role::Assistant, " Hi. "),
            says(Role::User, "How are you?"),
        ];
        let expected = "Two friends talk.\n\nUser: Hello\nAssistant: Hi.\nUser: How are you?\nAssistant:";
        assert_eq!(render(&messages), expected);
    }
}
