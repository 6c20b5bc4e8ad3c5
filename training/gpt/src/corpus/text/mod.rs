//! Files as documents of normalized text.
//!
//! A *document* is what a model reads from its beginning to its end: a file, a record of a file that has records, a book of
//! Project Gutenberg among others in a file, or what stands between two separators.
//!
//! - `file`: one file of a corpus, with its digest;
//! - [`documents`]: its documents, block by block, into a `sink`, after
//! - `lines`: line feeds at the end of lines,
//! - `gutenberg`: the books in a file of Project Gutenberg, and
//! - `separator`: `<|endoftext|>` or what a corpus has instead;
//! - `prompts`: example prompts from the texts.

pub mod documents;
mod file;
mod gutenberg;
mod lines;
mod prompts;
mod separator;
mod sink;

pub use documents::Documents;
pub use file::TextFile;
pub use gutenberg::BodyFinder;
pub use prompts::example_prompts;
pub use sink::DocumentSink;
