//! Conversations with a model.
//!
//! - [`respondent`]: a model that is asked, by its chat template if it answers;
//! - [`conversation`]: what was said so far, and as much of it as the model's context holds.

pub mod conversation;
pub mod error;
pub mod respondent;

pub use conversation::Conversation;
pub use error::ChatError;
pub use respondent::Respondent;
