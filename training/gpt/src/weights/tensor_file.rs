//! File of named tensors, whatever its format.
//!
//! Opening it reads names, types and shapes; values are read one tensor at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;

use super::error::ImportError;
use super::stored_tensor::StoredTensor;
use super::{pytorch, safetensors};

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Safetensors,
    PyTorch,
}

/// A file of tensors.
pub(super) struct TensorFile {
    pub(super) path: PathBuf,
    pub(super) container: Container,
    tensors: BTreeMap<String, StoredTensor>,
}

impl TensorFile {
    /// Opens a file, recognised by its contents.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let at = |source| ImportError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(at)?;
        let mut start = Vec::new();
        (&file).take(9).read_to_end(&mut start).map_err(at)?;
        // A safetensors file is the length of a JSON object, 8 bytes, and that object.
        let (container, tensors) = if start.get(8) == Some(&b'{') {
            (Container::Safetensors, safetensors::read_header(path, file)?)
        } else {
            (Container::PyTorch, pytorch::read_header(path)?)
        };
        Ok(Self { path: path.to_owned(), container, tensors })
    }

    /// The names of all tensors, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether it has a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<&StoredTensor, ImportError> {
        self.tensors
            .get(name)
            .ok_or_else(|| ImportError::Missing { path: self.path.clone(), name: name.to_owned() })
    }

    fn mismatch(&self, name: &str, tensor: &StoredTensor, expected: String) -> ImportError {
        ImportError::Mismatch {
            path: self.path.clone(),
            name: name.to_owned(),
            found: format!("{} {:?}", tensor.dtype, tensor.shape),
            expected,
        }
    }

    /// The two lengths of a matrix.
    pub(super) fn matrix_shape(&self, name: &str) -> Result<[usize; 2], ImportError> {
        let tensor = self.tensor(name)?;
        <[usize; 2]>::try_from(tensor.shape.as_slice())
            .map_err(|_| self.mismatch(name, tensor, "a matrix".to_owned()))
    }

    /// The values of a tensor as float32, after checking its shape.
    pub(super) fn read(&self, name: &str, shape: &[usize]) -> Result<TensorData, ImportError> {
        let tensor = self.tensor(name)?;
        match tensor.float {
            Some(dtype) if tensor.shape == shape => {
                let bytes =
                    (tensor.read)().map_err(|source| ImportError::Io { path: self.path.clone(), source })?;
                Ok(TensorData::from_bytes_vec(bytes, shape, dtype).convert::<f32>())
            }
            _ => Err(self.mismatch(name, tensor, format!("F32 {shape:?}"))),
        }
    }
}
