//! Safetensors files: a JSON header with names, types, shapes and offsets, then the bytes.
//!
//! The format: <https://huggingface.co/docs/safetensors>

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, View};

use super::error::{ImportError, SaveError};
use super::names::Names;
use super::stored_tensor::StoredTensor;
use crate::model::Gpt;
use crate::model::parameters::{self, ParameterPath, ParameterVisitor};

/// File name of the weights: ours, and Hugging Face's.
pub(super) const SAFETENSORS: &str = "model.safetensors";

/// The longest header that the safetensors library reads.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Reads the header of a file and checks that the file holds what it announces.
pub(super) fn read_header(path: &Path, file: File) -> Result<BTreeMap<String, StoredTensor>, ImportError> {
    let at = |source| ImportError::Io { path: path.to_owned(), source };
    let invalid = |problem: String| ImportError::Safetensors { path: path.to_owned(), problem };
    let file_bytes = file.metadata().map_err(at)?.len();
    let mut length = [0; 8];
    file.read_exact_at(&mut length, 0).map_err(at)?;
    let length = u64::from_le_bytes(length);
    let data_start = length.saturating_add(8);
    if length > MAX_HEADER_BYTES || data_start > file_bytes {
        return Err(invalid(format!("its header would take {length} bytes, the file has {file_bytes}")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact_at(&mut header, 8).map_err(at)?;
    // This checks that the tensors follow each other and that offsets, types and shapes agree.
    let header: Metadata = serde_json::from_slice(&header).map_err(|error| invalid(error.to_string()))?;
    let tensors = header.tensors();
    let data_bytes = tensors.values().map(|info| info.data_offsets.1).max().unwrap_or(0) as u64;
    let expected = data_start.saturating_add(data_bytes);
    if expected != file_bytes {
        return Err(invalid(format!("its header announces {expected} bytes, the file has {file_bytes}")));
    }

    let file = Rc::new(file);
    let stored = tensors.into_iter().map(|(name, info)| {
        let (start, end) = info.data_offsets;
        let file = Rc::clone(&file);
        let tensor = StoredTensor {
            path: path.to_owned(),
            float: match info.dtype {
                Dtype::F64 => Some(DType::F64),
                Dtype::F32 => Some(DType::F32),
                Dtype::F16 => Some(DType::F16),
                Dtype::BF16 => Some(DType::BF16),
                _ => None,
            },
            dtype: format!("{:?}", info.dtype),
            shape: info.shape.clone(),
            read: Box::new(move || {
                let mut bytes = vec![0; end - start];
                file.read_exact_at(&mut bytes, data_start + start as u64)?;
                Ok(bytes)
            }),
        };
        (name, tensor)
    });
    Ok(stored.collect())
}

/// Writes all weights of a model, float32, under the names of LLMs-from-scratch.
///
/// # Errors
/// If the file cannot be written; then no file of that name is made or changed.
pub fn save(model: &Gpt, path: &Path) -> Result<(), SaveError> {
    write(collect(model, Names::ours()), path)
}

/// Writes tensors to a file, all or none.
pub(super) fn write(tensors: BTreeMap<String, Columns>, path: &Path) -> Result<(), SaveError> {
    // transformers refuses a file that does not say which library its tensors are meant for.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    ::safetensors::serialize_to_file(tensors, Some(metadata), path)
        .map_err(|source| SaveError::Safetensors { path: path.to_owned(), source })
}

/// The weights of a model by their names in a file.
pub(super) fn collect(model: &Gpt, names: Names) -> BTreeMap<String, Columns> {
    struct Collect {
        names: Names,
        tensors: BTreeMap<String, Columns>,
    }
    impl ParameterVisitor for Collect {
        fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
            let place = self.names.place(&path.name(), path.is_linear_weight());
            let value = param.val().without_autodiff();
            let value = if place.transposed { value.transpose() } else { value };
            let shape = value.dims().to_vec();
            let tensor = self.tensors.entry(place.name).or_default();
            // Queries, keys and values are visited in the order in which they lie side by side.
            tensor.push(shape, move || value.to_data());
        }
    }
    parameters::visit(model, Collect { names, tensors: BTreeMap::new() }).tensors
}

/// Tensors of equal shape that lie side by side in a file, joined along their last axis; most often
/// a single one. Their values are fetched when they are written, one file tensor at a time.
#[derive(Default)]
pub(super) struct Columns {
    shape: Vec<usize>,
    parts: Vec<Box<dyn Fn() -> TensorData>>,
}

impl Columns {
    /// Adds a tensor to the right.
    pub(super) fn push(&mut self, shape: Vec<usize>, part: impl Fn() -> TensorData + 'static) {
        match self.shape.last_mut() {
            Some(width) => *width += shape[shape.len() - 1],
            None => self.shape = shape,
        }
        self.parts.push(Box::new(part));
    }
}

impl View for Columns {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let parts: Vec<TensorData> = self.parts.iter().map(|part| part()).collect();
        let part_row_bytes = self.shape[self.shape.len() - 1] / parts.len() * size_of::<f32>();
        let rows = (0..self.data_len() / (part_row_bytes * parts.len())).flat_map(|row| {
            parts.iter().map(move |part| &part.bytes()[row * part_row_bytes..][..part_row_bytes])
        });
        let mut bytes = Vec::with_capacity(self.data_len());
        rows.for_each(|row| bytes.extend_from_slice(row));
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * size_of::<f32>()
    }
}
