//! Protobuf messages of the ONNX format, as far as the exporter writes them. Field numbers are
//! those of `onnx.proto`, IR version 9 (ONNX 1.15); fields that are never written are left out.

/// Version of the format itself.
pub const IR_VERSION: i64 = 9;
/// Version of the standard operators: the first with `Gelu`.
pub const OPSET_VERSION: i64 = 20;
/// Domain of ONNX Runtime's own operators.
pub const MICROSOFT_DOMAIN: &str = "com.microsoft";
/// Version of those.
pub const MICROSOFT_OPSET_VERSION: i64 = 1;

/// Types of tensor elements (`TensorProto.DataType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DataType {
    /// `f32`
    Float = 1,
    /// `u8`
    Uint8 = 2,
    /// `i32`
    Int32 = 6,
    /// `i64`
    Int64 = 7,
}

/// Types of attributes (`AttributeProto.AttributeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum AttributeType {
    /// In `f`.
    Float = 1,
    /// In `i`.
    Int = 2,
    /// In `s`.
    String = 3,
    /// In `ints`.
    Ints = 7,
}

/// A file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelProto {
    /// [`IR_VERSION`]
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Name of the program that wrote it.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Version of that program.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The computation.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// Sets of operators that it uses.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
}

/// A set of operators.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSetIdProto {
    /// Empty for the standard operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// [`OPSET_VERSION`]
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// Computation of a model.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphProto {
    /// In an order in which they can be computed.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// Of the graph.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants: weights, shapes.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// Inputs.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
}

/// One operation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeProto {
    /// Names of values.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of values.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Of this node.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Constant settings.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// The set that the operator belongs to; empty for the standard operators.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// A constant setting of an operation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeProto {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A number.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// An integer.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// A text.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// Integers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// An [`AttributeType`].
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

/// A constant.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorProto {
    /// Its shape.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// A [`DataType`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Of the value that it defines.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Its elements, little endian, last axis fastest.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Where its elements are, if not in `raw_data`: `location`, `offset` and `length`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// 0 for a tensor with its elements, [`EXTERNAL`] for one without.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// The data location of a tensor whose elements are in another file (`TensorProto.DataLocation`).
pub const EXTERNAL: i32 = 1;

/// A key and a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StringStringEntryProto {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The type of an input or output.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfoProto {
    /// Of the value.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// The type of a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TypeProto {
    /// A tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// The type of a tensor (`TypeProto.Tensor`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorTypeProto {
    /// A [`DataType`].
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Its shape.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// The shape of a tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    /// Its axes.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// The length of an axis (`TensorShapeProto.Dimension`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct DimensionProto {
    /// Either of the two.
    #[prost(oneof = "Dimension", tags = "1, 2")]
    pub value: Option<Dimension>,
}

/// A length that is fixed, or one that each run decides.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Dimension {
    /// Always this long.
    #[prost(int64, tag = "1")]
    Fixed(i64),
    /// As long as whatever else bears this name.
    #[prost(string, tag = "2")]
    Named(String),
}
