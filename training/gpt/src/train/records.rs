//! Records of a run: metrics and sample texts in files, which checkpoints carry.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use store::PathError;

use super::evaluation::Evaluation;
use super::observer::Step;
use super::samples::{Moment, Sample};

/// File name of the metrics, one JSON object a line: evaluations, which have a `val_loss`, and steps, which have a
/// `loss`.
pub const METRICS: &str = "metrics.jsonl";
/// File name of the sample texts.
pub const SAMPLES: &str = "samples.txt";

/// Each of so many steps has a line; after them each tenth, and after ten times as many each hundredth, and so on.
const ALL_RECORDED: usize = 50_000;
/// Steps are written together, since there may be hundreds in a second.
const BUFFER_BYTES: usize = 1 << 16;
/// Begins the line before a sample.
const HEADING: &str = "--- ";

/// The files of a run.
#[derive(Clone, Debug)]
pub struct Records {
    metrics: PathBuf,
    samples: PathBuf,
    /// Lines of steps that are not yet in the file.
    steps: RefCell<String>,
}

impl Records {
    /// Begins the records of a run in `folder`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn create(folder: &Path) -> Result<Self, PathError> {
        let (metrics, samples) = (folder.join(METRICS), folder.join(SAMPLES));
        for path in [&metrics, &samples] {
            File::create(path).map_err(PathError::at(path))?;
        }
        Ok(Self { metrics, samples, steps: RefCell::default() })
    }

    /// Records a step, which is in the file by the next evaluation or [`files`](Self::files) at the latest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn step(&self, step: &Step) -> Result<(), PathError> {
        if !is_recorded(step.step) {
            return Ok(());
        }
        let line = self.line(step)?;
        let is_full = {
            let mut steps = self.steps.borrow_mut();
            steps.push_str(&line);
            steps.len() >= BUFFER_BYTES
        };
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Records an evaluation.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn evaluation(&self, evaluation: &Evaluation) -> Result<(), PathError> {
        let line = self.line(evaluation)?;
        self.steps.borrow_mut().push_str(&line);
        self.flush()
    }

    /// Records a sample. Samples follow each other in the order of their steps.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sample(&self, sample: Sample<'_>) -> Result<(), PathError> {
        // A line that a model wrote is not taken for the next one's heading.
        let text = sample.text.replace(&format!("\n{HEADING}"), &format!("\n {HEADING}"));
        append(&self.samples, &format!("{}{text}\n\n", heading(sample.moment)))
    }

    /// All files, with all that was recorded.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn files(&self) -> Result<Vec<PathBuf>, PathError> {
        self.flush()?;
        Ok(vec![self.metrics.clone(), self.samples.clone()])
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

    /// As a value first, whose fields are in alphabetical order.
    fn line(&self, metrics: &impl Serialize) -> Result<String, PathError> {
        let json =
            serde_json::to_value(metrics).map_err(|error| PathError::at(&self.metrics)(error.into()))?;
        Ok(format!("{json}\n"))
    }

    fn flush(&self) -> Result<(), PathError> {
        append(&self.metrics, &self.steps.take())
    }
}

fn is_recorded(step: usize) -> bool {
    let mut every = 1;
    while step / every > ALL_RECORDED {
        every *= 10;
    }
    step.is_multiple_of(every)
}

fn append(path: &Path, text: &str) -> Result<(), PathError> {
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(PathError::at(path))
}

/// The samples in the contents of `samples.txt`, in order.
pub fn read_samples(contents: &str) -> Vec<Sample<'_>> {
    let mut samples = Vec::new();
    let mut epochs = 0;
    let mut next = contents.lines().next().and_then(|line| {
        let moment = moment_of_heading(line, epochs)?;
        Some((moment, contents.get(line.len() + 1..)?))
    });
    while let Some((moment, text)) = next {
        epochs += usize::from(matches!(moment, Moment::Epoch(_)));
        let end = end_of_sample(text, epochs);
        next = end.map(|(_, moment, rest)| (moment, rest));
        let text = end.map_or_else(|| text.strip_suffix("\n\n").unwrap_or(text), |(text, ..)| text);
        samples.push(Sample { moment, text });
    }
    samples
}

/// The text before the next heading, that heading's moment, and what follows it.
fn end_of_sample(text: &str, epochs: usize) -> Option<(&str, Moment, &str)> {
    let separator = format!("\n\n{HEADING}");
    text.match_indices(&separator).find_map(|(end, _)| {
        let (line, rest) = text[end + 2..].split_once('\n')?;
        Some((&text[..end], moment_of_heading(line, epochs)?, rest))
    })
}

/// The moment in a heading that follows so many epochs. Epochs count from 1: in files that were written before lines of
/// a model were told apart, one is not taken for the heading of another epoch.
fn moment_of_heading(line: &str, epochs: usize) -> Option<Moment> {
    let (name, number) = line.strip_prefix(HEADING)?.split_once(' ')?;
    let number: usize = number.parse().ok()?;
    match name {
        "epoch" if number == epochs + 1 => Some(Moment::Epoch(number)),
        "step" => Some(Moment::Step(number)),
        _ => None,
    }
}

/// The line before a sample.
fn heading(moment: Moment) -> String {
    format!("{HEADING}{moment}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_as_they_were_written() {
        let contents = "--- epoch 1\nOne.\n\n--- epoch 9\nStill one.\n\n--- epoch 2\nTwo.\n\n";
        let one = Sample { moment: Moment::Epoch(1), text: "One.\n\n--- epoch 9\nStill one." };
        assert_eq!(read_samples(contents), [one, Sample { moment: Moment::Epoch(2), text: "Two." }]);
        assert!(read_samples("").is_empty());
        assert!(read_samples("One.\n\n--- epoch 1\n").is_empty());
    }

    #[test]
    fn samples_by_step_are_read_too_whatever_the_model_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::create(folder.path()).unwrap();
        let [epoch, step, last] = [Moment::Epoch(1), Moment::Step(400), Moment::Step(500)];
        let texts = [(epoch, "One."), (step, "Two.\n\n--- step 450\nStill\n\ntwo."), (last, "")];
        for (moment, text) in texts {
            records.sample(Sample { moment, text }).unwrap();
        }
        let contents = fs::read_to_string(folder.path().join(SAMPLES)).unwrap();
        let samples = read_samples(&contents);
        let expected = [(epoch, "One."), (step, "Two.\n\n --- step 450\nStill\n\ntwo."), (last, "")];
        assert_eq!(samples, expected.map(|(moment, text)| Sample { moment, text }));
    }

    #[test]
    fn steps_are_in_the_file_before_the_evaluation_that_follows_them() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::create(folder.path()).unwrap();
        let lines = || {
            let contents = fs::read_to_string(folder.path().join(METRICS)).unwrap();
            contents
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<serde_json::Value>>()
        };
        let step = |step| Step {
            step,
            loss: 6.5,
            learning_rate: 1e-3,
            gradient_norm: 0.75,
            tokens: 128,
            tokens_per_second: 64.0,
            seconds: 2.0 * step as f64,
            skipped_steps: 0,
        };
        records.step(&step(1)).unwrap();
        assert!(lines().is_empty());
        let evaluation = Evaluation {
            epoch: 1,
            step: 1,
            tokens_seen: 128,
            train_loss: 6.0,
            val_loss: 7.0,
            bits_per_byte: Some(2.5),
            seconds: 2.0,
        };
        records.evaluation(&evaluation).unwrap();
        records.step(&step(2)).unwrap();
        assert_eq!(lines().len(), 2);
        records.files().unwrap();
        let expected = |step: usize| {
            serde_json::json!({"step": step, "loss": 6.5, "learning_rate": 1e-3, "gradient_norm": 0.75,
                "tokens_per_second": 64.0, "seconds": 2.0 * step as f64})
        };
        assert_eq!(lines(), [expected(1), serde_json::json!(evaluation), expected(2)]);
        assert!(is_recorded(50_000) && !is_recorded(50_011) && is_recorded(50_020));
        assert!(is_recorded(500_000) && !is_recorded(500_020) && is_recorded(500_100));
        // More than is kept in memory.
        (3..1000).for_each(|number| records.step(&step(number)).unwrap());
        assert!(lines().len() > 500 && lines().len() < 1000);
        assert_eq!(lines()[500], expected(500));
    }
}
