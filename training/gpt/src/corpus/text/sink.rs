//! Sink of documents: whoever reads them.

use crate::corpus::error::CorpusError;

/// Takes documents one after the other, each in blocks of at most about 64 KiB.
pub trait DocumentSink {
    /// The next block of the document, which is not empty.
    ///
    /// # Errors
    /// If it cannot be used.
    fn text(&mut self, text: &str) -> Result<(), CorpusError>;

    /// The document is complete; without any text, there is none.
    ///
    /// # Errors
    /// If it cannot be used.
    fn end(&mut self) -> Result<(), CorpusError>;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps all documents.
    #[derive(Default)]
    pub(crate) struct Collected {
        pub(crate) documents: Vec<String>,
        open: String,
    }

    impl DocumentSink for Collected {
        fn text(&mut self, text: &str) -> Result<(), CorpusError> {
            assert!(!text.is_empty());
            self.open.push_str(text);
            Ok(())
        }

        fn end(&mut self) -> Result<(), CorpusError> {
            self.documents.push(std::mem::take(&mut self.open));
            Ok(())
        }
    }
}
