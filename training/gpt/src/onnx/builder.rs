//! Builder of an ONNX graph, node by node.

use artifact::GptConfig;
use artifact::onnx::{POSITION_EMBEDDINGS, TOKEN_EMBEDDINGS, attention_weights};

use super::proto::{
    AttributeProto, AttributeType, DataType, Dimension, DimensionProto, GraphProto, MICROSOFT_DOMAIN,
    NodeProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// A value of the graph, by name.
pub type Value = String;

/// A graph that grows.
#[derive(Default)]
pub struct GraphBuilder {
    graph: GraphProto,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: name.to_owned(), ..GraphProto::default() } }
    }

    /// Adds a node with one output that bears the node's name.
    pub fn node(
        &mut self,
        name: impl Into<String>,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let name = name.into();
        self.push(&name, "", operator, inputs, &[&name], attributes);
        name
    }

    /// Adds a node with an operator of ONNX Runtime's own; an empty name stands for an input or output
    /// that is left out.
    pub fn microsoft(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        self.push(name, MICROSOFT_DOMAIN, operator, inputs, outputs, attributes);
    }

    fn push(
        &mut self,
        name: &str,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.graph.node.push(NodeProto {
            input: owned(inputs),
            output: owned(outputs),
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes,
            domain: domain.to_owned(),
        });
    }

    /// Adds a small constant of integers: a shape, an index. No `dims` make it a scalar.
    pub fn integers(&mut self, name: impl Into<String>, dims: &[i64], values: &[i64]) -> Value {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.into(), DataType::Int64, dims, raw_data)
    }

    /// Adds a scalar constant.
    pub fn number(&mut self, name: impl Into<String>, value: f32) -> Value {
        self.constant(name.into(), DataType::Float, &[], value.to_le_bytes().to_vec())
    }

    /// Adds a weight of floats.
    pub fn floats(&mut self, name: impl Into<String>, dims: &[usize], values: &[f32]) -> Value {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims: Vec<i64> = dims.iter().map(|&length| length as i64).collect();
        self.constant(name.into(), DataType::Float, &dims, raw_data)
    }

    /// Adds a weight of bytes.
    pub fn bytes(&mut self, name: impl Into<String>, dims: &[usize], values: Vec<u8>) -> Value {
        let dims: Vec<i64> = dims.iter().map(|&length| length as i64).collect();
        self.constant(name.into(), DataType::Uint8, &dims, values)
    }

    fn constant(&mut self, name: String, data_type: DataType, dims: &[i64], raw_data: Vec<u8>) -> Value {
        let data_type = data_type as i32;
        let tensor = TensorProto {
            dims: dims.to_vec(),
            data_type,
            name: name.clone(),
            raw_data,
            ..TensorProto::default()
        };
        self.graph.initializer.push(tensor);
        name
    }

    /// Adds an input to the graph.
    pub fn input(&mut self, name: &str, data_type: DataType, shape: &[Dimension]) -> Value {
        self.graph.input.push(value_info(name, data_type, shape));
        name.to_owned()
    }

    /// Makes a value an output of the graph.
    pub fn output(&mut self, name: &str, data_type: DataType, shape: &[Dimension]) {
        self.graph.output.push(value_info(name, data_type, shape));
    }

    /// Makes embeddings and attention weights outputs of the graph, for inspection: a run that does not ask
    /// for them does not pay for them.
    pub fn inner_outputs(&mut self, config: &GptConfig) {
        let (batch, seq) = (named("batch"), named("seq"));
        for embeddings in [TOKEN_EMBEDDINGS, POSITION_EMBEDDINGS] {
            self.output(embeddings, DataType::Float, &[batch.clone(), seq.clone(), fixed(config.d_model)]);
        }
        let weights = [batch, fixed(config.n_heads), seq, named("total")];
        for layer in 0..config.n_layers {
            self.output(&attention_weights(layer), DataType::Float, &weights);
        }
    }

    /// The graph.
    pub fn finish(self) -> GraphProto {
        self.graph
    }
}

fn value_info(name: &str, data_type: DataType, shape: &[Dimension]) -> ValueInfoProto {
    let dim = shape.iter().map(|dimension| DimensionProto { value: Some(dimension.clone()) }).collect();
    let tensor_type = TensorTypeProto { elem_type: data_type as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// An axis whose length is always the same.
pub fn fixed(length: usize) -> Dimension {
    Dimension::Fixed(length as i64)
}

/// An axis whose length each run decides.
pub fn named(name: &str) -> Dimension {
    Dimension::Named(name.to_owned())
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    attribute(name, AttributeType::Int, |attribute| attribute.i = Some(value))
}

/// An attribute of several integers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    attribute(name, AttributeType::Ints, |attribute| attribute.ints = values.to_vec())
}

/// A number attribute.
pub fn float(name: &str, value: f32) -> AttributeProto {
    attribute(name, AttributeType::Float, |attribute| attribute.f = Some(value))
}

/// A text attribute.
pub fn string(name: &str, value: &str) -> AttributeProto {
    attribute(name, AttributeType::String, |attribute| attribute.s = Some(value.as_bytes().to_vec()))
}

fn attribute(
    name: &str,
    attribute_type: AttributeType,
    set: impl FnOnce(&mut AttributeProto),
) -> AttributeProto {
    let mut attribute =
        AttributeProto { name: name.to_owned(), r#type: attribute_type as i32, ..AttributeProto::default() };
    set(&mut attribute);
    attribute
}
