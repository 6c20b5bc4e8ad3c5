//! Chat template: a conversation as token ids, the same in training and in serving.
//!
//! A template is a Jinja file as Hugging Face's `chat_template` is, so that other programs read the conversations of a
//! model as this one does. A version with such a file answers; one without continues.
//!
//! - [`message`]: what is said, and by whom;
//! - [`template`]: the file, and the text that it makes;
//! - [`encode`]: that text as ids, with the answers in it;
//! - [`fit`]: as much of a long conversation as a context holds.

pub mod encode;
pub mod error;
pub mod fit;
pub mod message;
pub mod template;

pub use encode::Example;
pub use error::TemplateError;
pub use fit::FittingPrompt;
pub use message::{Message, Role};
pub use template::{ChatTemplate, FILE_NAME, MAX_FILE_BYTES};
