//! Loading of parameters: a model whose weights are those of a file.

use std::collections::HashSet;

use artifact::GptConfig;
use burn::module::Param;
use burn::tensor::{Device, Tensor};

use super::error::ImportError;
use super::names::{Names, Place};
use super::tensor_file::TensorFile;
use crate::model::Gpt;
use crate::model::parameters::{self, ParameterMapper, ParameterPath};

/// Makes a model of a known shape from a file. PyTorch's mask buffers are left alone.
pub(super) fn load(
    config: &GptConfig,
    file: &TensorFile,
    names: &Names,
    device: &Device,
) -> Result<Gpt, ImportError> {
    let loader = Loader { file, names, used: HashSet::new(), error: None };
    let (model, mut loader) = parameters::map(Gpt::new(config, device), loader);
    if let Some(error) = loader.error {
        return Err(error);
    }
    if config.tied_output_head {
        let [head, embedding] = ["output_head.weight", "token_embedding.weight"];
        let (head, embedding) = (names.place(head, true).name, names.place(embedding, false).name);
        if file.has(&head) && !file.are_equal(&head, &embedding)? {
            return Err(ImportError::NotTied { path: file.path.clone(), head, embedding });
        }
        loader.used.insert(head);
    }
    match file.names().find(|name| names.is_weight(name) && !loader.used.contains(*name)) {
        Some(name) => Err(ImportError::Unexpected { path: file.path.clone(), name: name.to_owned() }),
        None => Ok(model),
    }
}

struct Loader<'a> {
    file: &'a TensorFile,
    names: &'a Names,
    /// The tensors that have found their place.
    used: HashSet<String>,
    /// The first; a mapper cannot fail, so the rest of the walk changes nothing.
    error: Option<ImportError>,
}

impl Loader<'_> {
    /// The tensor of the parameter at `path`, in this model's layout.
    fn value<const D: usize>(
        &mut self,
        path: &ParameterPath,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, ImportError> {
        let Place { name, transposed, third } = self.names.place(&path.name(), path.is_linear_weight());
        if !self.file.has(&name) && self.names.is_left_out(path.field()) {
            return Ok(Tensor::zeros(shape, device));
        }
        let mut stored_shape = shape;
        if third.is_some() {
            stored_shape[D - 1] *= 3;
        }
        if transposed {
            stored_shape.swap(0, 1);
        }
        let mut tensor = Tensor::<D>::from_data(self.file.read(&name, &stored_shape)?, device);
        self.used.insert(name);
        if transposed {
            tensor = tensor.transpose();
        }
        if let Some(third) = third {
            tensor = tensor.narrow(D - 1, third * shape[D - 1], shape[D - 1]);
        }
        if third.is_none() && !transposed {
            return Ok(tensor);
        }
        // Copied, so that the layout in memory is that of a new model and not a view of the file's.
        Ok(Tensor::from_data(tensor.into_data(), device))
    }
}

impl ParameterMapper for Loader<'_> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        match self.value(path, param.dims(), &param.device()) {
            Ok(value) => param.map(|old| value.set_require_grad(old.is_require_grad())),
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
