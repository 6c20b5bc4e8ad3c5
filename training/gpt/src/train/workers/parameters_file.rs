//! Weights or gradients of a model in a file: float32 numbers in the order of its parameters, and nothing else.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::model::Gpt;
use crate::model::parameters::{self, ParameterMapper, ParameterPath, ParameterVisitor};

/// Writes the weights.
pub(super) fn write_weights(model: &Gpt, path: &Path) -> io::Result<()> {
    write(model, None, path)
}

/// Writes a gradient for each weight that is learned, zeros where there is none.
pub(super) fn write_gradients(model: &Gpt, gradients: &GradientsParams, path: &Path) -> io::Result<()> {
    write(model, Some(gradients), path)
}

fn write(model: &Gpt, gradients: Option<&GradientsParams>, path: &Path) -> io::Result<()> {
    let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let Writer { mut file, result, .. } =
        parameters::visit(model, Writer { gradients, file, result: Ok(()) });
    result.and_then(|()| file.flush())
}

struct Writer<'a> {
    gradients: Option<&'a GradientsParams>,
    file: BufWriter<File>,
    result: io::Result<()>,
}

impl ParameterVisitor for Writer<'_> {
    fn visit<const D: usize>(&mut self, _path: &ParameterPath, param: &Param<Tensor<D>>) {
        if self.result.is_err() || (self.gradients.is_some() && !param.val().is_require_grad()) {
            return;
        }
        let weight = param.val().inner();
        let numbers = match self.gradients {
            None => weight,
            Some(gradients) => gradients.get::<D>(param.id).unwrap_or_else(|| weight.zeros_like()),
        };
        self.result = self.file.write_all(numbers.cast(DType::F32).into_data().as_bytes());
    }
}

/// The model with weights from a file, on the device where it is.
pub(super) fn read_weights(model: Gpt, path: &Path) -> io::Result<Gpt> {
    let device = model.device();
    let reader =
        Reader { file: BufReader::with_capacity(1 << 20, File::open(path)?), device, result: Ok(()) };
    let (model, Reader { result, .. }) = parameters::map(model, reader);
    result.map(|()| model)
}

/// Gradients from a file, on the device of the model.
pub(super) fn read_gradients(model: &Gpt, path: &Path) -> io::Result<GradientsParams> {
    let device = model.device().without_autodiff();
    let reader =
        Reader { file: BufReader::with_capacity(1 << 20, File::open(path)?), device, result: Ok(()) };
    let found = parameters::visit(model, Gradients { reader, gradients: GradientsParams::new() });
    found.reader.result.map(|()| found.gradients)
}

struct Reader {
    file: BufReader<File>,
    device: Device,
    result: io::Result<()>,
}

impl Reader {
    /// The next tensor, of the shape of another one.
    fn next<const D: usize>(&mut self, like: &Tensor<D>) -> Option<Tensor<D>> {
        if self.result.is_err() {
            return None;
        }
        let shape = like.shape();
        let mut bytes = vec![0; shape.num_elements() * size_of::<f32>()];
        self.result = self.file.read_exact(&mut bytes);
        let data = TensorData::from_bytes_vec(bytes, shape, DType::F32);
        self.result.is_ok().then(|| Tensor::from_data(data, &self.device))
    }
}

impl ParameterMapper for Reader {
    fn map<const D: usize>(&mut self, _path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| match self.next(&weight) {
            Some(read) if weight.is_require_grad() => read.require_grad(),
            Some(read) => read,
            None => weight,
        })
    }
}

struct Gradients {
    reader: Reader,
    gradients: GradientsParams,
}

impl ParameterVisitor for Gradients {
    fn visit<const D: usize>(&mut self, _path: &ParameterPath, param: &Param<Tensor<D>>) {
        let weight = param.val();
        if weight.is_require_grad()
            && let Some(gradient) = self.reader.next(&weight)
        {
            self.gradients.register(param.id, gradient);
        }
    }
}
