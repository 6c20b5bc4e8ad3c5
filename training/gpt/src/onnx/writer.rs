//! ONNX file writer, one weight at a time: a model of 650 MB needs no second copy in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use burn::module::Param;
use burn::tensor::Tensor;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::error::ExportError;
use super::external_data::{ExternalData, MIN_BYTES};
use super::proto::{
    DataType, GraphProto, IR_VERSION, MICROSOFT_DOMAIN, MICROSOFT_OPSET_VERSION, ModelProto, OPSET_VERSION,
    OperatorSetIdProto, TensorProto,
};
use super::target::{MAX_GRAPH_BYTES, Target};
use crate::model::Gpt;
use crate::model::parameters::{self, ParameterPath, ParameterVisitor};

/// Field numbers that are written by hand, see [`super::proto`].
const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_RAW_DATA: u32 = 9;

/// The message around a graph. Readers refuse operators of sets that it does not name.
fn header(microsoft: bool) -> ModelProto {
    let standard = OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION };
    let microsoft = microsoft.then(|| OperatorSetIdProto {
        domain: MICROSOFT_DOMAIN.to_owned(),
        version: MICROSOFT_OPSET_VERSION,
    });
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "troelsllm".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: None,
        opset_import: std::iter::once(standard).chain(microsoft).collect(),
    }
}

/// Writes a graph that has its weights in it, with ONNX Runtime's own operators.
///
/// # Errors
/// If a file cannot be written, or the graph would be too large without its weights.
pub fn write_graph(to: Target<'_>, mut graph: GraphProto) -> Result<(), ExportError> {
    if whole_bytes(&graph, true) > to.max_bytes {
        let path = to.data_path();
        let mut data = ExternalData::create(&path).map_err(error_at(&path))?;
        for tensor in &mut graph.initializer {
            if tensor.raw_data.len() >= MIN_BYTES {
                let bytes = std::mem::take(&mut tensor.raw_data);
                data.append(tensor, &bytes).map_err(error_at(&path))?;
            }
        }
        data.finish().map_err(error_at(&path))?;
        check_length(&graph, true)?;
    } else {
        remove_data(to)?;
    }
    let model = ModelProto { graph: Some(graph), ..header(true) };
    std::fs::write(to.path, model.encode_to_vec()).map_err(error_at(to.path))
}

/// Writes `graph` with the weights of `model` as its initializers.
///
/// # Errors
/// If a file cannot be written, or the graph would be too large without its weights.
pub fn write_model(to: Target<'_>, graph: GraphProto, model: &Gpt) -> Result<(), ExportError> {
    let header = header(false);
    // Protobuf writes a message's length before the message, so lengths come first.
    let initializer_bytes = parameters::visit(model, InitializerLengths(0)).0;
    let graph_bytes = graph.encoded_len() + initializer_bytes;
    let bytes = header.encoded_len() + field_header_len(MODEL_GRAPH, graph_bytes) + graph_bytes;
    if bytes > to.max_bytes {
        return write_apart(to, graph, model);
    }
    remove_data(to)?;

    let at = |source| ExportError::Io { path: to.path.to_owned(), source };
    let mut file = BufWriter::new(File::create(to.path).map_err(at)?);
    let mut start = header.encode_to_vec();
    encode_field_header(MODEL_GRAPH, graph_bytes, &mut start);
    start.extend(graph.encode_to_vec());
    file.write_all(&start).map_err(at)?;
    let initializers = parameters::visit(model, Initializers { file, result: Ok(()) });
    initializers.result.map_err(at)?;
    initializers.file.into_inner().map_err(|error| at(error.into_error()))?;
    Ok(())
}

/// Writes `graph` with the weights of `model` as external data.
fn write_apart(to: Target<'_>, mut graph: GraphProto, model: &Gpt) -> Result<(), ExportError> {
    let path = to.data_path();
    let data = ExternalData::create(&path).map_err(error_at(&path))?;
    let external = External { data, initializers: Vec::new(), result: Ok(()) };
    let External { data, initializers, result } = parameters::visit(model, external);
    result.and_then(|()| data.finish()).map_err(error_at(&path))?;
    graph.initializer.extend(initializers);
    check_length(&graph, false)?;
    let model = ModelProto { graph: Some(graph), ..header(false) };
    std::fs::write(to.path, model.encode_to_vec()).map_err(error_at(to.path))
}

/// Checks that a graph without weights can be written.
///
/// # Errors
/// If it is too large.
pub fn check_graph(graph: &GraphProto) -> Result<(), ExportError> {
    check_length(graph, false)
}

fn check_length(graph: &GraphProto, microsoft: bool) -> Result<(), ExportError> {
    let bytes = whole_bytes(graph, microsoft);
    if bytes > MAX_GRAPH_BYTES { Err(ExportError::TooLarge { bytes }) } else { Ok(()) }
}

/// Length of the file of a graph.
fn whole_bytes(graph: &GraphProto, microsoft: bool) -> usize {
    let graph_bytes = graph.encoded_len();
    header(microsoft).encoded_len() + field_header_len(MODEL_GRAPH, graph_bytes) + graph_bytes
}

/// Removes what an earlier export has left beside a graph that has all its weights.
fn remove_data(to: Target<'_>) -> Result<(), ExportError> {
    let path = to.data_path();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error_at(&path)(error)),
        _ => Ok(()),
    }
}

fn error_at(path: &Path) -> impl FnOnce(io::Error) -> ExportError + use<> {
    let path = path.to_owned();
    move |source| ExportError::Io { path, source }
}

/// A tensor without its data, and the length of that data.
fn describe<const D: usize>(path: &ParameterPath, shape: [usize; D]) -> (TensorProto, usize) {
    let tensor = TensorProto {
        dims: shape.iter().map(|&length| length as i64).collect(),
        data_type: DataType::Float as i32,
        name: path.name(),
        ..TensorProto::default()
    };
    (tensor, shape.iter().product::<usize>() * size_of::<f32>())
}

/// Sums up what all weights take inside the graph.
struct InitializerLengths(usize);

impl ParameterVisitor for InitializerLengths {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        let (tensor, data_bytes) = describe(path, param.dims());
        let tensor_bytes = tensor.encoded_len() + field_header_len(TENSOR_RAW_DATA, data_bytes) + data_bytes;
        self.0 += field_header_len(GRAPH_INITIALIZER, tensor_bytes) + tensor_bytes;
    }
}

/// Writes all weights.
struct Initializers {
    file: BufWriter<File>,
    /// The first error; a visitor cannot fail, so the rest of the walk does nothing.
    result: io::Result<()>,
}

impl ParameterVisitor for Initializers {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        if self.result.is_err() {
            return;
        }
        let (tensor, data_bytes) = describe(path, param.dims());
        let tensor_bytes = tensor.encoded_len() + field_header_len(TENSOR_RAW_DATA, data_bytes) + data_bytes;
        let mut start = Vec::new();
        encode_field_header(GRAPH_INITIALIZER, tensor_bytes, &mut start);
        start.extend(tensor.encode_to_vec());
        encode_field_header(TENSOR_RAW_DATA, data_bytes, &mut start);
        let data = param.val().without_autodiff().into_data();
        self.result = self.file.write_all(&start).and_then(|()| self.file.write_all(data.bytes()));
    }
}

/// Writes all weights to a file of their own.
struct External {
    data: ExternalData,
    /// Where they are.
    initializers: Vec<TensorProto>,
    /// The first error, as of [`Initializers`].
    result: io::Result<()>,
}

impl ParameterVisitor for External {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        if self.result.is_err() {
            return;
        }
        let (mut tensor, data_bytes) = describe(path, param.dims());
        let data = param.val().without_autodiff().into_data();
        if data_bytes >= MIN_BYTES {
            self.result = self.data.append(&mut tensor, data.bytes());
        } else {
            tensor.raw_data = data.bytes().to_vec();
        }
        self.initializers.push(tensor);
    }
}

fn encode_field_header(tag: u32, length: usize, buffer: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

fn field_header_len(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::onnx;
    use artifact::GptConfig;
    use artifact::config::Activation;

    /// Writing in pieces must give a message that reads back whole.
    #[test]
    fn the_file_is_one_valid_message() {
        let config = GptConfig {
            vocab_size: 13,
            context_length: 5,
            d_model: 8,
            n_layers: 2,
            n_heads: 2,
            d_ff: 24,
            dropout: 0.0,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        };
        let model = Gpt::new(&config, &device::cpu());
        let file = tempfile::NamedTempFile::new().unwrap();
        onnx::export(&model, file.path()).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();

        let read = ModelProto::decode(bytes.as_slice()).unwrap();
        assert_eq!(read.encode_to_vec().len(), bytes.len());
        let graph = read.graph.unwrap();
        let table = graph.initializer.iter().find(|t| t.name == "token_embedding.weight").unwrap();
        assert_eq!(table.dims, [13, 8]);
        let expected = model.token_embedding.weight.val().into_data();
        assert_eq!(table.raw_data[..], expected.bytes()[..]);
        let parameters: usize = graph
            .initializer
            .iter()
            .filter(|t| t.name.contains("weight") || t.name.contains("bias") || t.name.contains("norm"))
            .map(|t| t.raw_data.len() / 4)
            .sum();
        assert_eq!(parameters, config.num_parameters());
    }
}
