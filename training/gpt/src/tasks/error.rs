//! Errors of tasks, by file and line.

use std::io;
use std::path::PathBuf;

use artifact::chat::TemplateError;
use engine::EngineError;

/// Why tasks cannot be read or scored.
#[derive(Debug, thiserror::Error)]
pub enum TasksError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The file is none of tasks.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A line or element is no task.
    #[error("{path}, {place}: {problem}")]
    Task {
        /// The file.
        path: PathBuf,
        /// Which one.
        place: String,
        /// What was expected and found.
        problem: String,
    },
    /// The chat template fails at a task, or refuses it.
    #[error("task {number}: {source}")]
    Template {
        /// Its number.
        number: usize,
        /// Why.
        #[source]
        source: TemplateError,
    },
    /// The chat template writes nothing of an answer.
    #[error(
        "task {number}: the chat template writes no answer into the conversation, expected the text {answer:?}"
    )]
    NoAnswer {
        /// Its number.
        number: usize,
        /// The answer.
        answer: String,
    },
    /// ONNX Runtime fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
