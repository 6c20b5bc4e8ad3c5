//! Records of a run: metrics and sample texts in files, which checkpoints carry.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use store::PathError;

use super::evaluation::Evaluation;
use super::samples::Sample;

/// File name of the metrics: evaluations, one JSON object a line.
pub const METRICS: &str = "metrics.jsonl";
/// File name of the sample texts.
pub const SAMPLES: &str = "samples.txt";

/// The files of a run.
#[derive(Clone, Debug)]
pub struct Records {
    metrics: PathBuf,
    samples: PathBuf,
}

impl Records {
    /// Begins the records of a run in `folder`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn create(folder: &Path) -> Result<Self, PathError> {
        let records = Self { metrics: folder.join(METRICS), samples: folder.join(SAMPLES) };
        for path in records.files() {
            File::create(&path).map_err(PathError::at(&path))?;
        }
        Ok(records)
    }

    /// Records an evaluation.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn evaluation(&self, evaluation: &Evaluation) -> Result<(), PathError> {
        let json =
            serde_json::to_value(evaluation).map_err(|error| PathError::at(&self.metrics)(error.into()))?;
        append(&self.metrics, &format!("{json}\n"))
    }

    /// Records a sample. Samples follow each other from epoch 1 on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sample(&self, sample: Sample<'_>) -> Result<(), PathError> {
        append(&self.samples, &format!("{}{}\n\n", heading(sample.epoch), sample.text))
    }

    /// All files.
    pub fn files(&self) -> Vec<PathBuf> {
        vec![self.metrics.clone(), self.samples.clone()]
    }

    /// Takes over what was recorded up to a checkpoint, from the checkpoint's folder.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn restore(&self, checkpoint: &Path) -> Result<(), PathError> {
        for (name, path) in [(METRICS, &self.metrics), (SAMPLES, &self.samples)] {
            let recorded = checkpoint.join(name);
            fs::copy(&recorded, path).map_err(PathError::at(&recorded))?;
        }
        Ok(())
    }
}

fn append(path: &Path, text: &str) -> Result<(), PathError> {
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(PathError::at(path))
}

/// The samples in the contents of `samples.txt`, in order.
pub fn read_samples(contents: &str) -> Vec<Sample<'_>> {
    // Epochs count from 1, so a line that a model wrote is not taken for the next one's heading.
    let mut samples = Vec::new();
    let mut rest = contents.strip_prefix(&heading(1));
    while let Some(text) = rest {
        let epoch = samples.len() + 1;
        let next = text.split_once(&format!("\n\n{}", heading(epoch + 1)));
        let text = next.map_or(text, |(text, _)| text);
        samples.push(Sample { epoch, text: text.strip_suffix("\n\n").unwrap_or(text) });
        rest = next.map(|(_, rest)| rest);
    }
    samples
}

/// The line before a sample.
fn heading(epoch: usize) -> String {
    format!("--- epoch {epoch}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_as_they_were_written() {
        let contents = "--- epoch 1\nOne.\n\n--- epoch 9\nStill one.\n\n--- epoch 2\nTwo.\n\n";
        let one = Sample { epoch: 1, text: "One.\n\n--- epoch 9\nStill one." };
        assert_eq!(read_samples(contents), [one, Sample { epoch: 2, text: "Two." }]);
        assert!(read_samples("").is_empty());
    }
}
