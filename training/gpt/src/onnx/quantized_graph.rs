//! Quantized ONNX graph for serving, with ONNX Runtime's fused operators.
//!
//! It differs from [`super::graph`] in three things. Matrices are quantized in blocks
//! ([`super::quantize`]). The KV cache has room for the whole context and is written in place, so that a
//! step of decoding copies nothing. And what only the last block computes is computed at the wanted
//! positions alone.

use artifact::GptConfig;
use artifact::config::{Activation, LAYER_NORM_EPSILON};
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_EMBEDDINGS, POSITION_IDS, SEQLENS_K, TOKEN_EMBEDDINGS,
    TOTAL_SEQUENCE_LENGTH, attention_weights, past_key, past_value, present_key, present_value,
};

use super::builder::{GraphBuilder, Value, fixed, float, int, named, string};
use super::calibration::Calibration;
use super::error::ExportError;
use super::graph::gelu_form;
use super::hessian::Hessian;
use super::padding::{pad, padded_head};
use super::parameter::{bias, numbers, rows};
use super::proto::DataType;
use super::quantize::{Blocks, Quantized};
use super::recipe::Recipe;
use super::target::Target;
use super::writer::write_graph;
use crate::model::{Gpt, LayerNorm, Linear, TransformerBlock};

/// `accuracy_level` of `MatMulNBits` at which activations are rounded to 8 bits for each block, so that
/// integers are multiplied.
const INTEGER_ACCURACY: i64 = 4;

/// `qk_output` of `GroupQueryAttention` whose fourth output is how much is attended to each position.
const WEIGHTS_AFTER_SOFTMAX: i64 = 2;

/// Writes a model, quantized, to an ONNX file: by GPTQ if there is a calibration, else each weight is
/// rounded to the nearest integer. Weights beyond 2 GB are beside it.
///
/// # Errors
/// If a file cannot be written.
pub fn export_quantized<'a>(
    model: &Gpt,
    recipe: Recipe,
    calibration: Option<&Calibration>,
    to: impl Into<Target<'a>>,
) -> Result<(), ExportError> {
    let config = model.config().clone();
    let mut graph = QuantizedGraph { graph: GraphBuilder::new("gpt"), config, recipe, calibration };
    graph.inputs_and_outputs();
    let (tokens, positions) = graph.embed(model);
    let first_norm = model.blocks.first().map_or(&model.final_norm, |block| &block.norm1);
    let (mut normalised, mut residual) = graph.add_and_norm("embedding", &tokens, &positions, first_norm);
    for (layer, block) in model.blocks.iter().enumerate() {
        let next = model.blocks.get(layer + 1);
        let next_norm = next.map_or(&model.final_norm, |block| &block.norm1);
        (normalised, residual) = graph.block(layer, block, &normalised, &residual, next_norm, next.is_none());
    }
    graph.head(model, &normalised);
    write_graph(to.into(), graph.graph.finish())
}

struct QuantizedGraph<'a> {
    graph: GraphBuilder,
    config: GptConfig,
    recipe: Recipe,
    calibration: Option<&'a Calibration>,
}

impl QuantizedGraph<'_> {
    fn inputs_and_outputs(&mut self) {
        let (batch, seq, wanted) = (named("batch"), named("seq"), named("wanted"));
        let cache = [
            batch.clone(),
            fixed(self.config.n_heads),
            fixed(self.config.context_length),
            fixed(padded_head(&self.config)),
        ];
        let graph = &mut self.graph;
        graph.input(INPUT_IDS, DataType::Int64, &[batch.clone(), seq.clone()]);
        graph.input(POSITION_IDS, DataType::Int64, &[batch.clone(), seq]);
        graph.input(LOGIT_POSITIONS, DataType::Int64, std::slice::from_ref(&wanted));
        graph.input(SEQLENS_K, DataType::Int32, std::slice::from_ref(&batch));
        graph.input(TOTAL_SEQUENCE_LENGTH, DataType::Int32, &[]);
        graph.output(LOGITS, DataType::Float, &[batch, wanted, fixed(self.config.vocab_size)]);
        graph.inner_outputs(&self.config);
        for layer in 0..self.config.n_layers {
            graph.input(&past_key(layer), DataType::Float, &cache);
            graph.input(&past_value(layer), DataType::Float, &cache);
            graph.output(&present_key(layer), DataType::Float, &cache);
            graph.output(&present_value(layer), DataType::Float, &cache);
        }
    }

    /// Vectors of the tokens and of their positions, each `[batch, seq, d_model]`.
    fn embed(&mut self, model: &Gpt) -> (Value, Value) {
        let Blocks { bits, block_size } = self.recipe.embedding;
        let (vocab_size, d_model) = (self.config.vocab_size, self.config.d_model);
        let hessian = self.calibration.map(|calibration| &calibration.embedding);
        let table = numbers(&model.token_embedding.weight);
        let table = quantized(self.recipe.embedding, &table, d_model, hessian);
        // This operator wants rows that are not filled up to whole blocks.
        let bytes_in_a_row = (d_model * bits).div_ceil(8);
        let rows = table.packed.chunks(table.blocks * self.recipe.embedding.bytes());
        let packed: Vec<u8> = rows.flat_map(|row| &row[..bytes_in_a_row]).copied().collect();
        let name = "token_embedding.weight";
        self.graph.bytes(name, &[vocab_size, bytes_in_a_row], packed);
        let scales = self.graph.floats(format!("{name}.scales"), &[vocab_size, table.blocks], &table.scales);
        let attributes = vec![
            int("gather_axis", 0),
            int("quantize_axis", 1),
            int("block_size", block_size as i64),
            int("bits", bits as i64),
        ];
        let inputs = [name, INPUT_IDS, &scales];
        let outputs = [TOKEN_EMBEDDINGS];
        self.graph.microsoft(TOKEN_EMBEDDINGS, "GatherBlockQuantized", &inputs, &outputs, attributes);

        let table = numbers(&model.position_embedding.weight);
        let shape = [self.config.context_length, d_model];
        let table = self.graph.floats("position_embedding.weight", &shape, &table);
        let inputs = [table.as_str(), POSITION_IDS];
        let positions = self.graph.node(POSITION_EMBEDDINGS, "Gather", &inputs, vec![int("axis", 0)]);
        (TOKEN_EMBEDDINGS.to_owned(), positions)
    }

    /// The sum of `x` and `residual`, normalized and as it is: the next residual.
    ///
    /// # Shapes
    /// - `x`, `residual` and outputs: `[batch, seq, d_model]`
    fn add_and_norm(&mut self, name: &str, x: &str, residual: &str, norm: &LayerNorm) -> (Value, Value) {
        let d_model = self.config.d_model;
        let scale = self.graph.floats(format!("{name}.norm.scale"), &[d_model], &numbers(&norm.scale));
        let shift = self.graph.floats(format!("{name}.norm.shift"), &[d_model], &numbers(&norm.shift));
        let (normalised, sum) = (format!("{name}.normalised"), format!("{name}.sum"));
        let attributes = vec![float("epsilon", LAYER_NORM_EPSILON as f32)];
        let inputs = [x, residual, &scale, &shift];
        let outputs = [normalised.as_str(), "", "", &sum];
        self.graph.microsoft(&normalised, "SkipLayerNormalization", &inputs, &outputs, attributes);
        (normalised, sum)
    }

    /// A block, up to the LayerNorm that the next one begins with.
    fn block(
        &mut self,
        layer: usize,
        block: &TransformerBlock,
        normalised: &str,
        residual: &str,
        next_norm: &LayerNorm,
        is_last: bool,
    ) -> (Value, Value) {
        let name = format!("blocks.{layer}");
        let mut context = self.attention(layer, block, normalised); // [batch, seq, n_heads * d_head]
        let mut residual = residual.to_owned();
        if is_last {
            // Nothing looks at the other positions any more.
            let at_wanted = |graph: &mut GraphBuilder, name: &str, x: &str| {
                graph.node(format!("{name}.wanted"), "Gather", &[x, LOGIT_POSITIONS], vec![int("axis", 1)])
            };
            context = at_wanted(&mut self.graph, &format!("{name}.context"), &context);
            residual = at_wanted(&mut self.graph, &format!("{name}.residual"), &residual);
        }
        let hessians = self.calibration.map(|calibration| &calibration.blocks[layer]);
        let output = Matrix {
            weight: pad(&rows(&block.attention.output), self.config.d_head(), padded_head(&self.config)),
            d_in: self.config.n_heads * padded_head(&self.config),
            bias: bias(&block.attention.output),
            hessian: hessians.map(|hessians| &hessians.attention_output),
        };
        let attended = self.linear(&format!("{name}.attention.output"), &context, output);
        let (x, residual) =
            self.add_and_norm(&format!("{name}.attended"), &attended, &residual, &block.norm2);

        let (expand, contract) = (&block.feed_forward.expand, &block.feed_forward.contract);
        let expand = Matrix::of(expand, hessians.map(|hessians| &hessians.expand));
        let hidden = self.linear(&format!("{name}.feed_forward.expand"), &x, expand);
        let activated = self.gelu(&name, &hidden);
        let contract = Matrix::of(contract, hessians.map(|hessians| &hessians.contract));
        let transformed = self.linear(&format!("{name}.feed_forward.contract"), &activated, contract);
        self.add_and_norm(&format!("{name}.transformed"), &transformed, &residual, next_norm)
    }

    /// `FastGelu`, which is fused, has the tanh form alone.
    fn gelu(&mut self, block: &str, x: &str) -> Value {
        let name = format!("{block}.feed_forward.gelu");
        match self.config.activation {
            Activation::GeluTanh => {
                self.graph.microsoft(&name, "FastGelu", &[x], &[&name], vec![]);
                name
            }
            exact @ Activation::Gelu => {
                self.graph.node(name, "Gelu", &[x], vec![string("approximate", gelu_form(exact))])
            }
        }
    }

    /// Keys and values of new positions go into the cache, where `total_sequence_length` says.
    fn attention(&mut self, layer: usize, block: &TransformerBlock, x: &str) -> Value {
        let name = format!("blocks.{layer}.attention");
        let attention = &block.attention;
        let parts = [&attention.query, &attention.key, &attention.value];
        let d_model = self.config.d_model;
        let (d_head, padded) = (self.config.d_head(), padded_head(&self.config));
        let biases = parts.iter().map(|part| Some(pad(&bias(part)?, d_head, padded)));
        let qkv = Matrix {
            weight: parts
                .iter()
                .flat_map(|part| pad(&rows(part), d_head * d_model, padded * d_model))
                .collect(),
            d_in: d_model,
            bias: biases.collect::<Option<Vec<_>>>().map(|biases| biases.concat()),
            hessian: self.calibration.map(|calibration| &calibration.blocks[layer].qkv),
        };
        let packed = self.linear(&format!("{name}.qkv"), x, qkv);

        let n_heads = self.config.n_heads as i64;
        let attributes = vec![
            int("num_heads", n_heads),
            int("kv_num_heads", n_heads),
            float("scale", 1.0 / (self.config.d_head() as f32).sqrt()),
            int("do_rotary", 0),
            int("qk_output", WEIGHTS_AFTER_SOFTMAX),
        ];
        let context = format!("{name}.context");
        let inputs =
            [&packed, "", "", &past_key(layer), &past_value(layer), SEQLENS_K, TOTAL_SEQUENCE_LENGTH];
        let outputs =
            [context.as_str(), &present_key(layer), &present_value(layer), &attention_weights(layer)];
        self.graph.microsoft(&context, "GroupQueryAttention", &inputs, &outputs, attributes);
        context
    }

    fn head(&mut self, model: &Gpt, x: &str) {
        let hessian = self.calibration.map(|calibration| &calibration.head);
        let head = match &model.output_head {
            Some(head) => Matrix::of(head, hessian),
            None => Matrix {
                weight: numbers(&model.token_embedding.weight), // [vocab_size, d_model] already
                d_in: self.config.d_model,
                bias: None,
                hessian,
            },
        };
        self.matmul("output_head", LOGITS, x, self.recipe.head, head);
    }

    fn linear(&mut self, name: &str, x: &str, matrix: Matrix<'_>) -> Value {
        let product = format!("{name}.product");
        self.matmul(name, &product, x, self.recipe.body, matrix);
        product
    }

    /// `output = x weight^T + bias`
    fn matmul(&mut self, name: &str, output: &str, x: &str, blocks: Blocks, matrix: Matrix<'_>) {
        let Matrix { weight, d_in, bias, hessian } = matrix;
        let d_out = weight.len() / d_in;
        let quantized = quantized(blocks, &weight, d_in, hessian);
        let packed_shape = [d_out, quantized.blocks, blocks.bytes()];
        let packed = self.graph.bytes(format!("{name}.weight"), &packed_shape, quantized.packed);
        let scales_shape = [d_out, quantized.blocks];
        let scales = self.graph.floats(format!("{name}.scales"), &scales_shape, &quantized.scales);
        let bias = bias.map(|bias| self.graph.floats(format!("{name}.bias"), &[d_out], &bias));
        let mut inputs = vec![x, &packed, &scales];
        if let Some(bias) = &bias {
            inputs.extend(["", "", bias]); // zero points and group indices are left out
        }
        let attributes = vec![
            int("K", d_in as i64),
            int("N", d_out as i64),
            int("bits", blocks.bits as i64),
            int("block_size", blocks.block_size as i64),
            int("accuracy_level", INTEGER_ACCURACY),
        ];
        self.graph.microsoft(output, "MatMulNBits", &inputs, &[output], attributes);
    }
}

/// Weight and bias of a linear layer.
struct Matrix<'a> {
    /// `[d_out, d_in]`
    weight: Vec<f32>,
    d_in: usize,
    /// `[d_out]`
    bias: Option<Vec<f32>>,
    /// Of its inputs on the calibration text, if there is one.
    hessian: Option<&'a Hessian>,
}

impl<'a> Matrix<'a> {
    fn of(linear: &Linear, hessian: Option<&'a Hessian>) -> Self {
        let [d_in, _] = linear.weight.dims();
        Self { weight: rows(linear), d_in, bias: bias(linear), hessian }
    }
}

/// Weights as integers, by GPTQ where there is a Hessian.
fn quantized(blocks: Blocks, values: &[f32], columns: usize, hessian: Option<&Hessian>) -> Quantized {
    match hessian {
        Some(hessian) => blocks.quantize_for(values, columns, hessian),
        None => blocks.quantize(values, columns),
    }
}
