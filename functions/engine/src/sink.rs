//! Sinks: callers of the engine, as its thread sees them.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender};

use crate::error::EngineError;
use crate::generation::{Generation, Token};

/// Takes what a text gives, on the engine's thread: other texts wait meanwhile.
pub trait Sink: Send {
    /// Takes a token when it is chosen, also one that ends the text; a break ends it.
    fn take(&mut self, token: Token<'_>) -> ControlFlow<()>;

    /// Takes the logits at a position of the prompt, of the token that follows it, if the options ask for them; a break
    /// ends the text.
    fn read_prompt(&mut self, position: usize, logits: &[f32]) -> ControlFlow<()> {
        let _ = (position, logits);
        ControlFlow::Continue(())
    }

    /// Whether anybody still wants the text. It is asked while the text waits, and before each pass that it takes part in.
    fn is_open(&self) -> bool {
        true
    }

    /// Takes the end of the text, or why there is none. If the engine ends first, this is not called.
    fn end(self: Box<Self>, result: Result<Generation, EngineError>);
}

/// The engine's side of a caller that waits for its text.
pub(crate) struct WaitingCaller {
    pub(crate) to_caller: Sender<ToCaller>,
    /// Whether the text goes on, for each token. None if the caller wants the whole text alone.
    pub(crate) answers: Option<Receiver<ControlFlow<()>>>,
}

/// What a caller that waits is told.
pub(crate) enum ToCaller {
    /// A token, its logits, and whether it ends the text.
    Token(u32, Vec<f32>, bool),
    End(Result<Generation, EngineError>),
}

impl Sink for WaitingCaller {
    fn take(&mut self, token: Token<'_>) -> ControlFlow<()> {
        let Some(answers) = &self.answers else { return ControlFlow::Continue(()) };
        let told = self.to_caller.send(ToCaller::Token(token.id, token.logits.to_vec(), token.is_stop));
        match told {
            // Without an answer the caller has panicked.
            Ok(()) => answers.recv().unwrap_or(ControlFlow::Break(())),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        let _ = self.to_caller.send(ToCaller::End(result)); // nobody waits if the caller has panicked
    }
}
