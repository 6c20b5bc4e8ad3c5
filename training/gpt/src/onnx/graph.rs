//! Float32 ONNX graph of a GPT in standard operators: prefill and decode in one graph.
//!
//! It mirrors [`crate::model`] step by step and differs in two things: keys and values of earlier
//! positions come in as `past` and go out as `present`, so that decoding computes one position at a
//! time; and only the positions that are asked for reach the output head.

use artifact::GptConfig;
use artifact::config::{Activation, LAYER_NORM_EPSILON};
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_EMBEDDINGS, POSITION_IDS, TOKEN_EMBEDDINGS,
    attention_weights, past_key, past_value, present_key, present_value,
};

use super::builder::{GraphBuilder, Value, fixed, float, int, ints, named, string};
use super::error::ExportError;
use super::proto::{DataType, GraphProto};
use super::target::Target;
use super::writer::{check_graph, write_model};
use crate::model::Gpt;

/// Writes a model to an ONNX file, with weights beyond 2 GB beside it. Weights keep the names and the layout that
/// they have here.
///
/// # Errors
/// If a file cannot be written.
pub fn export<'a>(model: &Gpt, to: impl Into<Target<'a>>) -> Result<(), ExportError> {
    write_model(to.into(), build(model.config()), model)
}

/// Checks, before there is a model, that one of this shape can be exported.
///
/// # Errors
/// If it describes no model, or its graph alone would be beyond the 2 GB of the format.
pub fn check_exportable(config: &GptConfig) -> Result<(), ExportError> {
    config.validate()?;
    check_graph(&build(config))
}

/// The graph without its weights. Its inputs and outputs are those of [`artifact::onnx`].
fn build(config: &GptConfig) -> GraphProto {
    let mut graph = GptGraph { graph: GraphBuilder::new("gpt"), config: config.clone() };
    graph.inputs_and_outputs();
    let mask = graph.causal_mask();
    graph.shared_constants();

    let mut x = graph.embed(); // [batch, seq, d_model]
    for layer in 0..config.n_layers {
        x = graph.block(layer, &x, &mask);
    }
    graph.head(&x);
    graph.graph.finish()
}

/// Shape that splits the last axis into heads; 0 keeps an axis as it is.
const SPLIT_HEADS: &str = "split_heads.shape";
/// Shape that joins them again.
const JOIN_HEADS: &str = "join_heads.shape";
/// `sqrt(d_head)`
const SCORE_SCALE: &str = "score_scale";

/// Value of the attribute `approximate` of ONNX's `Gelu`.
pub(super) fn gelu_form(activation: Activation) -> &'static str {
    match activation {
        Activation::GeluTanh => "tanh",
        Activation::Gelu => "none",
    }
}

struct GptGraph {
    graph: GraphBuilder,
    config: GptConfig,
}

impl GptGraph {
    fn inputs_and_outputs(&mut self) {
        let (batch, seq, past, total, wanted) =
            (named("batch"), named("seq"), named("past"), named("total"), named("wanted"));
        let (n_heads, d_head) = (fixed(self.config.n_heads), fixed(self.config.d_head()));
        let graph = &mut self.graph;

        graph.input(INPUT_IDS, DataType::Int64, &[batch.clone(), seq.clone()]);
        graph.input(POSITION_IDS, DataType::Int64, &[batch.clone(), seq]);
        graph.input(LOGIT_POSITIONS, DataType::Int64, std::slice::from_ref(&wanted));
        graph.output(LOGITS, DataType::Float, &[batch.clone(), wanted, fixed(self.config.vocab_size)]);
        graph.inner_outputs(&self.config);
        let past = [batch.clone(), n_heads.clone(), past, d_head.clone()];
        let present = [batch, n_heads, total, d_head];
        for layer in 0..self.config.n_layers {
            graph.input(&past_key(layer), DataType::Float, &past);
            graph.input(&past_value(layer), DataType::Float, &past);
            graph.output(&present_key(layer), DataType::Float, &present);
            graph.output(&present_value(layer), DataType::Float, &present);
        }
    }

    fn shared_constants(&mut self) {
        let (n_heads, d_head) = (self.config.n_heads as i64, self.config.d_head() as i64);
        self.graph.integers(SPLIT_HEADS, &[4], &[0, 0, n_heads, d_head]);
        self.graph.integers(JOIN_HEADS, &[3], &[0, 0, n_heads * d_head]);
        self.graph.number(SCORE_SCALE, (d_head as f32).sqrt());
    }

    /// 0 where a new position may look, minus infinity where it may not: new position `i` stands at
    /// `past + i` and may look at every `j <= past + i`. Shape `[seq, total]`.
    fn causal_mask(&mut self) -> Value {
        let graph = &mut self.graph;
        let zero = graph.integers("zero", &[], &[0]);
        let one = graph.integers("one", &[], &[1]);
        let axis_0 = graph.integers("axis_0", &[1], &[0]);
        let axis_1 = graph.integers("axis_1", &[1], &[1]);
        let seq_axis = graph.integers("seq_axis", &[], &[1]);
        let past_axis = graph.integers("past_axis", &[], &[2]);

        let ids_shape = graph.node("mask.ids_shape", "Shape", &[INPUT_IDS], vec![]);
        let seq = graph.node("mask.seq", "Gather", &[&ids_shape, &seq_axis], vec![int("axis", 0)]);
        let past_shape = graph.node("mask.past_shape", "Shape", &[&past_key(0)], vec![]);
        let past = graph.node("mask.past", "Gather", &[&past_shape, &past_axis], vec![int("axis", 0)]);
        let total = graph.node("mask.total", "Add", &[&past, &seq], vec![]);

        let rows = graph.node("mask.rows", "Range", &[&past, &total, &one], vec![]);
        let rows = graph.node("mask.rows_as_column", "Unsqueeze", &[&rows, &axis_1], vec![]); // [seq, 1]
        let columns = graph.node("mask.columns", "Range", &[&zero, &total, &one], vec![]);
        let columns = graph.node("mask.columns_as_row", "Unsqueeze", &[&columns, &axis_0], vec![]); // [1, total]
        let is_future = graph.node("mask.is_future", "Greater", &[&columns, &rows], vec![]); // [seq, total]
        let hidden = graph.number("mask.hidden", f32::NEG_INFINITY);
        let visible = graph.number("mask.visible", 0.0);
        graph.node("mask", "Where", &[&is_future, &hidden, &visible], vec![])
    }

    /// Token plus position. Shape `[batch, seq, d_model]`.
    fn embed(&mut self) -> Value {
        let table = |name: &str| format!("{name}_embedding.weight");
        let rows = || vec![int("axis", 0)];
        let tokens = self.graph.node(TOKEN_EMBEDDINGS, "Gather", &[&table("token"), INPUT_IDS], rows());
        let positions =
            self.graph.node(POSITION_EMBEDDINGS, "Gather", &[&table("position"), POSITION_IDS], rows());
        self.graph.node("embedding", "Add", &[&tokens, &positions], vec![])
    }

    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`
    fn block(&mut self, layer: usize, x: &str, mask: &str) -> Value {
        let name = format!("blocks.{layer}");
        let normalised = self.layer_norm(&format!("{name}.norm1"), x);
        let attended = self.attention(layer, &format!("{name}.attention"), &normalised, mask);
        let x = self.graph.node(format!("{name}.residual1"), "Add", &[x, &attended], vec![]);

        let normalised = self.layer_norm(&format!("{name}.norm2"), &x);
        let hidden = self.linear(&format!("{name}.feed_forward.expand"), &normalised, true);
        let activated = format!("{name}.feed_forward.gelu");
        let form = vec![string("approximate", gelu_form(self.config.activation))];
        let hidden = self.graph.node(activated, "Gelu", &[&hidden], form);
        let transformed = self.linear(&format!("{name}.feed_forward.contract"), &hidden, true);
        self.graph.node(format!("{name}.residual2"), "Add", &[&x, &transformed], vec![])
    }

    fn attention(&mut self, layer: usize, name: &str, x: &str, mask: &str) -> Value {
        let [queries, new_keys, new_values] = ["query", "key", "value"].map(|part| {
            let projected = self.linear(&format!("{name}.{part}"), x, self.config.qkv_bias);
            self.split_heads(&format!("{name}.{part}"), &projected) // [batch, n_heads, seq, d_head]
        });
        let graph = &mut self.graph;
        let on_positions = || vec![int("axis", 2)];
        let keys = graph.node(present_key(layer), "Concat", &[&past_key(layer), &new_keys], on_positions());
        let values =
            graph.node(present_value(layer), "Concat", &[&past_value(layer), &new_values], on_positions());

        let queries = graph.node(format!("{name}.scaled_queries"), "Div", &[&queries, SCORE_SCALE], vec![]);
        let keys_transposed = format!("{name}.keys_transposed"); // [batch, n_heads, d_head, total]
        let keys = graph.node(keys_transposed, "Transpose", &[&keys], vec![ints("perm", &[0, 1, 3, 2])]);
        let scores = graph.node(format!("{name}.scores"), "MatMul", &[&queries, &keys], vec![]);
        let scores = graph.node(format!("{name}.masked_scores"), "Add", &[&scores, mask], vec![]);
        let weights = graph.node(attention_weights(layer), "Softmax", &[&scores], vec![int("axis", -1)]);
        let context = graph.node(format!("{name}.context"), "MatMul", &[&weights, &values], vec![]);

        let by_position = format!("{name}.context_by_position"); // [batch, seq, n_heads, d_head]
        let context = graph.node(by_position, "Transpose", &[&context], vec![ints("perm", &[0, 2, 1, 3])]);
        let context = graph.node(format!("{name}.heads_joined"), "Reshape", &[&context, JOIN_HEADS], vec![]);
        self.linear(&format!("{name}.output"), &context, true)
    }

    /// # Shapes
    /// - `x`: `[batch, seq, d_model]`
    /// - output: `[batch, n_heads, seq, d_head]`
    fn split_heads(&mut self, name: &str, x: &str) -> Value {
        let heads = self.graph.node(format!("{name}.heads"), "Reshape", &[x, SPLIT_HEADS], vec![]);
        let by_head = format!("{name}.by_head");
        self.graph.node(by_head, "Transpose", &[&heads], vec![ints("perm", &[0, 2, 1, 3])])
    }

    /// Final LayerNorm and output head, at the wanted positions only.
    fn head(&mut self, x: &str) {
        let wanted = self.graph.node("wanted", "Gather", &[x, LOGIT_POSITIONS], vec![int("axis", 1)]);
        let x = self.layer_norm("final_norm", &wanted); // [batch, wanted, d_model]
        let weight = if self.config.tied_output_head {
            let by_feature = vec![ints("perm", &[1, 0])];
            self.graph.node("output_head.tied", "Transpose", &["token_embedding.weight"], by_feature)
        } else {
            "output_head.weight".to_owned()
        };
        self.graph.node(LOGITS, "MatMul", &[&x, &weight], vec![]);
    }

    fn layer_norm(&mut self, name: &str, x: &str) -> Value {
        let (scale, shift) = (format!("{name}.scale"), format!("{name}.shift"));
        let attributes = vec![int("axis", -1), float("epsilon", LAYER_NORM_EPSILON as f32)];
        self.graph.node(format!("{name}.normalised"), "LayerNormalization", &[x, &scale, &shift], attributes)
    }

    fn linear(&mut self, name: &str, x: &str, with_bias: bool) -> Value {
        let product =
            self.graph.node(format!("{name}.product"), "MatMul", &[x, &format!("{name}.weight")], vec![]);
        if !with_bias {
            return product;
        }
        self.graph.node(format!("{name}.sum"), "Add", &[&product, &format!("{name}.bias")], vec![])
    }
}
