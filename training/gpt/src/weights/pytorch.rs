//! PyTorch checkpoints, as `torch.save` writes them.
//!
//! The reader is burn's; it interprets the pickle without running it, so a file cannot execute code.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::DType;
use pytorch_reader::{PickleValue, PytorchReader};
use serde_json::Value;

use super::error::ImportError;
use super::stored_tensor::StoredTensor;

/// Where nanoGPT's `train.py` puts the arguments of its `GPTConfig`.
const MODEL_ARGS: &str = "model_args";

/// Reads names, types and shapes of all tensors in a checkpoint, those in nested dictionaries under
/// dotted names.
pub(super) fn read_header(path: &Path) -> Result<BTreeMap<String, StoredTensor>, ImportError> {
    let reader =
        PytorchReader::new(path).map_err(|source| ImportError::PyTorch { path: path.to_owned(), source })?;
    let tensors = reader.into_tensors();
    check_size(path, tensors.values().map(|tensor| tensor.byte_len() as u64).sum())?;
    let stored = tensors.into_values().map(|tensor| {
        let (name, dtype, shape, read) = tensor.into_parts();
        let float = match dtype {
            pytorch_reader::DType::F64 => Some(DType::F64),
            pytorch_reader::DType::F32 => Some(DType::F32),
            pytorch_reader::DType::F16 => Some(DType::F16),
            pytorch_reader::DType::BF16 => Some(DType::BF16),
            _ => None,
        };
        let (path, dtype) = (path.to_owned(), format!("{dtype:?}"));
        (name, StoredTensor { path, float, dtype, shape, read: Box::new(read) })
    });
    Ok(stored.collect())
}

/// The configuration that a checkpoint of nanoGPT holds beside its weights, as JSON; `None` in other checkpoints.
pub(super) fn read_model_args(path: &Path) -> Result<Option<Value>, ImportError> {
    let root = PytorchReader::read_pickle_data(path, None)
        .map_err(|source| ImportError::PyTorch { path: path.to_owned(), source })?;
    let PickleValue::Dict(mut root) = root else { return Ok(None) };
    Ok(root.remove(MODEL_ARGS).map(json))
}

/// What has no counterpart in JSON becomes the name of its Python type.
fn json(value: PickleValue) -> Value {
    match value {
        PickleValue::None => Value::Null,
        PickleValue::Bool(value) => value.into(),
        PickleValue::Int(value) => value.into(),
        PickleValue::Float(value) => value.into(),
        PickleValue::String(value) => value.into(),
        PickleValue::Bytes(value) => value.into(),
        PickleValue::List(values) => values.into_iter().map(json).collect(),
        PickleValue::Dict(values) => values.into_iter().map(|(key, value)| (key, json(value))).collect(),
        PickleValue::Unsupported(python_type) => python_type.into(),
    }
}

/// A view with stride 0 can make a gigabyte of four bytes. Two tensors may share their numbers, as a
/// tied output head does with the embedding, but a file of weights is never read twice over.
fn check_size(path: &Path, claimed: u64) -> Result<(), ImportError> {
    let at = |source| ImportError::Io { path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(at)?.len();
    if claimed > 2 * found {
        return Err(ImportError::Inflated { path: path.to_owned(), claimed, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_cannot_take_more_than_twice_their_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0; 10]).unwrap();
        assert!(check_size(file.path(), 20).is_ok());
        let message = check_size(file.path(), 21).unwrap_err().to_string();
        assert!(message.contains("would take 21 bytes, more than twice its 10 bytes"), "{message}");
    }
}
