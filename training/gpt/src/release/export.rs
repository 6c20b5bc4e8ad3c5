//! ONNX exports of a model in every precision: float32, and int8 and int4 weights (w8, w4).

use std::num::NonZero;
use std::path::{Path, PathBuf};

use artifact::manifest::Precision;
use engine::OnnxModel;

use super::error::ReleaseError;
use crate::corpus::{Batch, Corpus, Dataset};
use crate::model::Gpt;
use crate::onnx::{self, Calibration, ExportError, Recipe, Target};

/// The ONNX files of a version.
const FILES: [(Precision, &str); 3] =
    [(Precision::Float32, "model.onnx"), (Precision::W8, "model.w8.onnx"), (Precision::W4, "model.w4.onnx")];

/// Tokens of the calibration text: several for each number of a hidden vector.
const CALIBRATION_TOKENS: usize = 8192;
/// Tokens of it that are computed at once.
const CALIBRATION_BATCH_TOKENS: usize = 1024;

/// An exported model, loaded.
pub struct Export {
    /// How its weights are stored.
    pub precision: Precision,
    /// File name of its graph.
    pub file: String,
    /// Path of that file; a graph beyond 2 GB has its weights in [`data_path`](crate::onnx::target::data_path).
    pub path: PathBuf,
    /// The graph.
    pub model: OnnxModel,
}

impl Export {
    /// Loads an export of the model with this configuration.
    ///
    /// # Errors
    /// If ONNX Runtime refuses it.
    pub fn load(
        precision: Precision,
        path: PathBuf,
        config: &artifact::GptConfig,
    ) -> Result<Self, ReleaseError> {
        let model = OnnxModel::load(&path, precision, config, threads())?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { precision, file, path, model })
    }
}

/// Writes every export of a model, which must be in evaluation mode, into a folder and loads it. Quantized weights are calibrated on the
/// training part of `corpus`; without one, or if it fills no window, they are rounded to the nearest.
///
/// # Errors
/// If one cannot be written, or ONNX Runtime refuses it.
pub fn write_exports(
    model: &Gpt,
    corpus: Option<&Corpus>,
    folder: &Path,
) -> Result<Vec<Export>, ReleaseError> {
    let windows = corpus.and_then(|corpus| calibration_windows(corpus, model));
    if corpus.is_some() && windows.is_none() {
        eprintln!("the training part of the corpus fills no window: quantization is not calibrated on it");
    }
    let calibration = windows.map(|windows| Calibration::measure(model, &windows)).transpose()?;
    let targets = FILES.map(|(precision, file)| (precision, folder.join(file)));
    let export = |(precision, path): (Precision, PathBuf)| {
        write_export(model, precision, calibration.as_ref(), path.as_path())?;
        Export::load(precision, path, model.config())
    };
    targets.into_iter().map(export).collect()
}

/// Writes the float32 export of a model into a folder and loads it.
///
/// # Errors
/// As of [`write_exports`].
pub fn write_float32(model: &Gpt, folder: &Path) -> Result<Export, ReleaseError> {
    let (precision, file) = FILES[0];
    let path = folder.join(file);
    write_export(model, precision, None, path.as_path())?;
    Export::load(precision, path, model.config())
}

/// Writes one export of a model.
///
/// # Errors
/// If it cannot be written.
pub fn write_export<'a>(
    model: &Gpt,
    precision: Precision,
    calibration: Option<&Calibration>,
    to: impl Into<Target<'a>>,
) -> Result<(), ExportError> {
    match precision {
        Precision::W8 => onnx::export_quantized(model, Recipe::W8, calibration, to),
        Precision::W4 => onnx::export_quantized(model, Recipe::W4, calibration, to),
        Precision::Float32 | Precision::Other => onnx::export(model, to),
    }
}

/// Calibration windows: from all over the training part of a corpus, in batches.
fn calibration_windows(corpus: &Corpus, model: &Gpt) -> Option<Vec<Batch>> {
    let window = model.config().context_length.min(corpus.training().count().saturating_sub(1)).max(1);
    let dataset = Dataset::new(corpus.training().clone(), window, window, 1).ok()?;
    let windows = |tokens: usize| (tokens / window).max(1);
    Some(dataset.spread(windows(CALIBRATION_TOKENS), windows(CALIBRATION_BATCH_TOKENS), &model.device()))
}

/// Threads for ONNX Runtime: one for each core.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
