//! Weights in and out of safetensors files, under the names of the public PyTorch code.
//!
//! | here | PyTorch (LLMs-from-scratch) |
//! |---|---|
//! | `token_embedding.weight` | `tok_emb.weight` |
//! | `position_embedding.weight` | `pos_emb.weight` |
//! | `blocks.N.attention.query.weight` | `trf_blocks.N.att.W_query.weight` (and `W_key`, `W_value`) |
//! | `blocks.N.attention.output.weight` | `trf_blocks.N.att.out_proj.weight` |
//! | `blocks.N.feed_forward.expand.weight` | `trf_blocks.N.ff.layers.0.weight` |
//! | `blocks.N.feed_forward.contract.weight` | `trf_blocks.N.ff.layers.2.weight` |
//! | `output_head.weight` | `out_head.weight` |
//!
//! The weight of a linear map is `[d_in, d_out]` here and `[d_out, d_in]` there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use artifact::GptConfig;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, View};

use crate::model::Gpt;

/// Why a file of weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateDictError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// It is not a safetensors file.
    #[error("{path}: it is not a valid safetensors file: {source}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A weight of the model is not in the file.
    #[error("{path}: it has no tensor `{name}`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A weight of the model has another shape or type in the file.
    #[error("{path}: tensor `{name}` is {found}, expected {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape that the configuration asks for.
        expected: String,
    },
}

/// Visits every parameter with its name in PyTorch, its value as PyTorch lays it out, and whether
/// that is the transpose of the value here.
pub(crate) trait ParameterVisitor {
    /// Called once for each parameter, in the order of the model.
    fn visit<const D: usize>(&mut self, path: &str, is_linear_weight: bool, param: &Param<Tensor<D>>);
}

/// Walks over the parameters of a module and keeps track of where it is.
pub(crate) struct Walk<V> {
    path: ModulePath,
    pub(crate) visitor: V,
}

impl<V: ParameterVisitor> Walk<V> {
    pub(crate) fn over(model: &Gpt, visitor: V) -> V {
        let mut walk = Self { path: ModulePath::default(), visitor };
        model.visit(&mut walk);
        walk.visitor
    }
}

impl<V: ParameterVisitor> ModuleVisitor for Walk<V> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visitor.visit(&self.path.join(), self.path.is_linear_weight(), param);
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

/// Where a walk over a module is: the names of the fields that lead there, and their types.
#[derive(Default)]
struct ModulePath(Vec<(String, String)>);

impl ModulePath {
    fn enter(&mut self, name: &str, container_type: &str) {
        self.0.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    fn join(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    fn is_linear_weight(&self) -> bool {
        self.0.last().is_some_and(|(name, container)| name == "weight" && container == "Struct:Linear")
    }
}

/// The name that the public PyTorch code gives to a parameter.
pub fn pytorch_name(path: &str) -> String {
    path.split('.')
        .map(|part| match part {
            "token_embedding" => "tok_emb",
            "position_embedding" => "pos_emb",
            "blocks" => "trf_blocks",
            "attention" => "att",
            "query" => "W_query",
            "key" => "W_key",
            "value" => "W_value",
            "output" => "out_proj",
            "feed_forward" => "ff",
            "expand" => "layers.0",
            "contract" => "layers.2",
            "output_head" => "out_head",
            other => other,
        })
        .collect::<Vec<_>>()
        .join(".")
}

/// Writes all weights of a model, float32.
///
/// # Errors
/// If the file cannot be written.
pub fn save(model: &Gpt, path: &Path) -> Result<(), StateDictError> {
    #[derive(Default)]
    struct Collect(Vec<(String, Stored)>);
    impl ParameterVisitor for Collect {
        fn visit<const D: usize>(&mut self, path: &str, is_linear_weight: bool, param: &Param<Tensor<D>>) {
            let value = param.val().without_autodiff();
            let value = if is_linear_weight { value.transpose() } else { value };
            self.0.push((pytorch_name(path), Stored(value.into_data())));
        }
    }
    let tensors = Walk::over(model, Collect::default()).0;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), path)
        .map_err(|source| StateDictError::Safetensors { path: path.to_owned(), source })
}

/// Tensor data as safetensors wants to see it.
struct Stored(TensorData);

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.bytes())
    }

    fn data_len(&self) -> usize {
        self.0.bytes().len()
    }
}

/// Reads a model of a known shape. Tensors that the model has no place for, such as PyTorch's mask
/// buffers, are left alone.
///
/// # Errors
/// If a weight is missing or has another shape.
pub fn load(config: &GptConfig, path: &Path, device: &Device) -> Result<Gpt, StateDictError> {
    let bytes = fs::read(path).map_err(|source| StateDictError::Io { path: path.to_owned(), source })?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|source| StateDictError::Safetensors { path: path.to_owned(), source })?;
    let mut loader = Loader { file: path, tensors, path: ModulePath::default(), error: None };
    let model = Gpt::new(config, device).map(&mut loader);
    loader.error.map_or(Ok(model), Err)
}

struct Loader<'a> {
    file: &'a Path,
    tensors: SafeTensors<'a>,
    path: ModulePath,
    /// The first; a mapper cannot fail, so the rest of the walk changes nothing.
    error: Option<StateDictError>,
}

impl Loader<'_> {
    /// The tensor that belongs at the current place, in this model's layout.
    fn value<const D: usize>(&self, shape: [usize; D], device: &Device) -> Result<Tensor<D>, StateDictError> {
        let name = pytorch_name(&self.path.join());
        let transposed = self.path.is_linear_weight();
        let mut stored_shape = shape;
        if transposed {
            stored_shape.swap(0, 1);
        }
        let view = self
            .tensors
            .tensor(&name)
            .map_err(|_| StateDictError::Missing { path: self.file.to_owned(), name: name.clone() })?;
        if view.dtype() != Dtype::F32 || view.shape() != stored_shape {
            return Err(StateDictError::Mismatch {
                path: self.file.to_owned(),
                name,
                found: format!("{:?} {:?}", view.dtype(), view.shape()),
                expected: format!("F32 {stored_shape:?}"),
            });
        }
        let data = TensorData::from_bytes_vec(view.data().to_vec(), stored_shape, DType::F32);
        let tensor = Tensor::<D>::from_data(data, device);
        if !transposed {
            return Ok(tensor);
        }
        // Copied, so that the layout in memory is that of a new model and not a view of the file's.
        let data = tensor.transpose().into_data();
        Ok(Tensor::from_data(data, device))
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        match self.value(param.dims(), &param.device()) {
            Ok(value) => param.map(|old| value.set_require_grad(old.is_require_grad())),
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    fn config() -> GptConfig {
        GptConfig {
            vocab_size: 13,
            context_length: 5,
            d_model: 8,
            n_layers: 2,
            n_heads: 2,
            d_ff: 24,
            dropout: 0.0,
            qkv_bias: true,
            tied_output_head: false,
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let device = device::cpu();
        let (model, other) = (Gpt::new(&config(), &device), Gpt::new(&config(), &device));
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        save(&model, &first).unwrap();
        save(&load(&config(), &first, &device).unwrap(), &second).unwrap();
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
        save(&other, &second).unwrap();
        assert_ne!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    }

    #[test]
    fn names_and_layout_are_pytorchs() {
        let file = tempfile::NamedTempFile::new().unwrap();
        save(&Gpt::new(&config(), &device::cpu()), file.path()).unwrap();
        let bytes = fs::read(file.path()).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        for (name, shape) in [
            ("tok_emb.weight", vec![13, 8]),
            ("pos_emb.weight", vec![5, 8]),
            ("trf_blocks.1.att.W_key.bias", vec![8]),
            ("trf_blocks.1.att.out_proj.weight", vec![8, 8]),
            ("trf_blocks.0.ff.layers.0.weight", vec![24, 8]),
            ("trf_blocks.0.ff.layers.2.weight", vec![8, 24]),
            ("trf_blocks.0.norm2.shift", vec![8]),
            ("final_norm.scale", vec![8]),
            ("out_head.weight", vec![13, 8]),
        ] {
            assert_eq!(tensors.tensor(name).unwrap().shape(), shape, "{name}");
        }
    }

    #[test]
    fn a_weight_that_is_missing_or_misshapen_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        save(&Gpt::new(&config(), &device::cpu()), file.path()).unwrap();
        let complaint =
            |config: &GptConfig| load(config, file.path(), &device::cpu()).unwrap_err().to_string();
        let message = complaint(&GptConfig { n_layers: 3, ..config() });
        assert!(message.contains("no tensor `trf_blocks.2.norm1.scale`"), "{message}");
        let message = complaint(&GptConfig { d_ff: 16, ..config() });
        assert!(
            message.contains("`trf_blocks.0.ff.layers.0.weight` is F32 [24, 8], expected F32 [16, 8]"),
            "{message}"
        );
        fs::write(file.path(), "not a model").unwrap();
        assert!(complaint(&config()).contains("not a valid safetensors file"));
    }
}
