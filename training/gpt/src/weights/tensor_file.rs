//! File of named tensors, whatever its format, or several files (shards) with an index.
//!
//! Opening it reads names, types and shapes; values are read one tensor at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;

use super::error::ImportError;
use super::shards::{Index, is_index, is_shard};
use super::stored_tensor::StoredTensor;
use super::{pytorch, safetensors};

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Safetensors,
    PyTorch,
}

/// A file of tensors, or an index and the files that it names.
pub(super) struct TensorFile {
    pub(super) path: PathBuf,
    /// The files that an index names.
    pub(super) shards: Vec<PathBuf>,
    pub(super) container: Container,
    tensors: BTreeMap<String, StoredTensor>,
}

impl TensorFile {
    /// Opens a file, recognised by its contents, or the files that an index names.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        if is_index(path) {
            return Self::open_shards(path);
        }
        let at = |source| ImportError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(at)?;
        let mut start = Vec::new();
        (&file).take(9).read_to_end(&mut start).map_err(at)?;
        if let Some(what) = foreign(&start) {
            return Err(ImportError::Foreign { path: path.to_owned(), what });
        }
        // A safetensors file is the length of a JSON object, 8 bytes, and that object.
        let (container, tensors) = if start.get(8) == Some(&b'{') {
            (Container::Safetensors, safetensors::read_header(path, file)?)
        } else {
            (Container::PyTorch, pytorch::read_header(path)?)
        };
        Ok(Self { path: path.to_owned(), shards: Vec::new(), container, tensors })
    }

    /// Opens every file of an index, and takes the tensors from where it says that they are.
    fn open_shards(path: &Path) -> Result<Self, ImportError> {
        let (mut shards, mut tensors) = (Vec::new(), BTreeMap::new());
        let mut container = Container::Safetensors;
        for (shard, names) in Index::read(path)?.shards {
            let mut file = Self::open(&shard)?;
            container = file.container;
            for name in names {
                let tensor = file.tensors.remove(&name);
                let tensor =
                    tensor.ok_or_else(|| ImportError::Missing { path: shard.clone(), name: name.clone() })?;
                tensors.insert(name, tensor);
            }
            shards.push(shard);
        }
        Ok(Self { path: path.to_owned(), shards, container, tensors })
    }

    /// Refuses one file of several: the others have weights too.
    pub(super) fn check_complete(&self) -> Result<(), ImportError> {
        if is_shard(&self.path) { Err(ImportError::Shard { path: self.path.clone() }) } else { Ok(()) }
    }

    /// The names of all tensors, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, if it has one of that name.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// Whether two tensors have the same shape and the same values.
    pub(super) fn are_equal(&self, name: &str, other: &str) -> Result<bool, ImportError> {
        let shape = self.tensor(name)?.shape.clone();
        if self.tensor(other)?.shape != shape {
            return Ok(false);
        }
        Ok(self.read(name, &shape)?.bytes() == self.read(other, &shape)?.bytes())
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
            path: tensor.path.clone(),
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
                let bytes = (tensor.read)()
                    .map_err(|source| ImportError::Io { path: tensor.path.clone(), source })?;
                Ok(TensorData::from_bytes_vec(bytes, shape, dtype).convert::<f32>())
            }
            _ => Err(self.mismatch(name, tensor, format!("F32 {shape:?}"))),
        }
    }
}

/// The format of a file that begins like this, if it is one that is not read.
fn foreign(start: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 3] = [
        (b"GGUF", "llama.cpp (GGUF)"),
        (b"\x89HDF", "TensorFlow or Keras (HDF5)"),
        (b"version h", "Git LFS: a pointer to a file"),
    ];
    known.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| what)
}
