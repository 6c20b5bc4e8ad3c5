//! Causal self-attention and its gradient, one head at a time, without keeping the attention weights.
//!
//! Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness" (2022),
//! <https://arxiv.org/abs/2205.14135>: the backward pass computes the weights anew.

use super::matrix::MatrixView;
use super::multiply::Multiplier;
use super::output::Output;
use crate::exp::exp;
use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Attention of each token to those up to itself. Queries, keys, values and the output are `[batch * seq, d_model]`;
/// heads lie side by side in a row.
#[derive(Clone, Copy)]
pub struct CausalAttention {
    /// Multiplies.
    pub multiplier: Multiplier,
    /// For everything else.
    pub instructions: Instructions,
    /// Tokens of a text.
    pub seq: usize,
    /// Columns of all heads.
    pub d_model: usize,
    /// Heads, which divide the columns among themselves.
    pub n_heads: usize,
}

/// Gradients of queries, keys and values, `[batch * seq, d_model]` each.
pub struct AttentionGradients<'a> {
    /// Of the queries.
    pub queries: &'a mut [f32],
    /// Of the keys.
    pub keys: &'a mut [f32],
    /// Of the values.
    pub values: &'a mut [f32],
}

impl CausalAttention {
    /// `output = softmax(queries keys^T / sqrt(d_head)) values`, where a token sees the tokens up to itself.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn forward(self, pool: &ThreadPool, inputs: [&[f32]; 3], output: &mut [f32]) {
        self.check(inputs, output.len());
        let Self { seq, d_model, .. } = self;
        pool.run_chunks(output, seq * d_model, |text, output| {
            let mut weights = vec![0.0; seq * seq];
            for head in 0..self.n_heads {
                let [queries, keys, values] = inputs.map(|numbers| self.head(numbers, text, head));
                self.weights(queries, keys, &mut weights);
                let weights = MatrixView::new(&weights, seq, seq);
                self.multiplier.multiply_here(weights, values, self.head_of(output, head));
            }
        });
    }

    /// Writes the gradients, given that of the output, `[batch * seq, d_model]`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn gradient(
        self,
        pool: &ThreadPool,
        inputs: [&[f32]; 3],
        gradient: &[f32],
        gradients: AttentionGradients,
    ) {
        let AttentionGradients { queries, keys, values } = gradients;
        for written in [&*queries, keys, values] {
            self.check(inputs, written.len());
        }
        self.check([gradient; 3], gradient.len());
        let length = self.seq * self.d_model;
        let outputs = queries.chunks_mut(length).zip(keys.chunks_mut(length)).zip(values.chunks_mut(length));
        pool.run_chunks(&mut outputs.collect::<Vec<_>>(), 1, |text, outputs| {
            let [((queries, keys), values)] = outputs else { return };
            let [mut weights, mut of_weights] = [(); 2].map(|()| vec![0.0; self.seq * self.seq]);
            for head in 0..self.n_heads {
                let inputs = inputs.map(|numbers| self.head(numbers, text, head));
                let gradient = self.head(gradient, text, head);
                let outputs = [&mut **queries, &mut **keys, &mut **values];
                self.head_gradient(inputs, gradient, outputs, head, [&mut weights, &mut of_weights]);
            }
        });
    }

    /// The gradients of a head. With weights `p` and their gradient `g = gradient values^T`, that of the scores is
    /// `s = p (g - sum(p g)) / sqrt(d_head)`, in each row.
    fn head_gradient(
        self,
        [queries, keys, values]: [MatrixView; 3],
        gradient: MatrixView,
        [of_queries, of_keys, of_values]: [&mut [f32]; 3],
        head: usize,
        [weights, of_weights]: [&mut [f32]; 2],
    ) {
        let (multiplier, seq) = (self.multiplier, self.seq);
        self.weights(queries, keys, weights);
        let output = Output { numbers: of_weights, stride: seq, bias: None };
        multiplier.multiply_here(gradient, values.transpose(), output);
        let view = MatrixView::new(weights, seq, seq);
        multiplier.multiply_here(view.transpose(), gradient, self.head_of(of_values, head));
        let scale = self.scale();
        dispatch!(self.instructions, |simd| simd.vectorize(
            #[inline(always)]
            || {
                for (weights, of_weights) in weights.chunks(seq).zip(of_weights.chunks_mut(seq)) {
                    softmax_gradient(simd, weights, scale, of_weights);
                }
            }
        ));
        let of_scores = MatrixView::new(of_weights, seq, seq);
        multiplier.multiply_here(of_scores, keys, self.head_of(of_queries, head));
        multiplier.multiply_here(of_scores.transpose(), queries, self.head_of(of_keys, head));
    }

    /// Attention weights of a head, `[seq, seq]`.
    fn weights(self, queries: MatrixView, keys: MatrixView, weights: &mut [f32]) {
        let seq = self.seq;
        let output = Output { numbers: weights, stride: seq, bias: None };
        self.multiplier.multiply_here(queries, keys.transpose(), output);
        let scale = self.scale();
        dispatch!(self.instructions, |simd| simd.vectorize(
            #[inline(always)]
            || {
                for (position, scores) in weights.chunks_mut(seq).enumerate() {
                    let (seen, hidden) = scores.split_at_mut(position + 1);
                    softmax(simd, scale, seen);
                    hidden.fill(0.0);
                }
            }
        ));
    }

    fn scale(self) -> f32 {
        1.0 / (self.d_head() as f32).sqrt()
    }

    fn d_head(self) -> usize {
        self.d_model / self.n_heads
    }

    /// Queries, keys or values of a head, `[seq, d_head]`.
    fn head(self, numbers: &[f32], text: usize, head: usize) -> MatrixView<'_> {
        let start = text * self.seq * self.d_model + head * self.d_head();
        MatrixView::with_stride(&numbers[start..], self.seq, self.d_head(), self.d_model)
    }

    /// Where a head writes into what belongs to a text.
    fn head_of(self, text: &mut [f32], head: usize) -> Output<'_> {
        Output { numbers: &mut text[head * self.d_head()..], stride: self.d_model, bias: None }
    }

    fn check(self, inputs: [&[f32]; 3], length: usize) {
        let Self { seq, d_model, n_heads, .. } = self;
        assert!(seq > 0 && n_heads > 0 && d_model.is_multiple_of(n_heads), "attention: heads");
        let fit = length.is_multiple_of(seq * d_model) && inputs.iter().all(|input| input.len() == length);
        assert!(fit, "attention: numbers");
    }
}

/// `softmax(scale * scores)`, in place.
#[inline(always)]
fn softmax<S: Simd>(simd: S, scale: f32, scores: &mut [f32]) {
    let lowest = simd.splat(f32::MIN);
    let mut greatest = lowest;
    for scores in scores.chunks(LANES) {
        greatest = simd.max(greatest, simd.first_of(scores.len(), simd.load(scores), lowest));
    }
    let (scale, greatest, zeros) = (simd.splat(scale), simd.splat(simd.greatest(greatest)), simd.splat(0.0));
    let mut total = zeros;
    for scores in scores.chunks_mut(LANES) {
        let power = exp(simd, simd.mul(simd.sub(simd.load(scores), greatest), scale));
        total = simd.add(total, simd.first_of(scores.len(), power, zeros));
        simd.store(scores, power);
    }
    let share = simd.splat(1.0 / simd.sum(total));
    for scores in scores.chunks_mut(LANES) {
        simd.store(scores, simd.mul(simd.load(scores), share));
    }
}

/// `gradient = weights * (gradient - sum(weights * gradient)) * scale`
#[inline(always)]
fn softmax_gradient<S: Simd>(simd: S, weights: &[f32], scale: f32, gradient: &mut [f32]) {
    let mut total = simd.splat(0.0);
    for (weights, gradient) in weights.chunks(LANES).zip(gradient.chunks(LANES)) {
        total = simd.mul_add(simd.load(weights), simd.load(gradient), total);
    }
    let (total, scale) = (simd.splat(simd.sum(total)), simd.splat(scale));
    for (weights, gradient) in weights.chunks(LANES).zip(gradient.chunks_mut(LANES)) {
        let rest = simd.mul(simd.sub(simd.load(gradient), total), scale);
        simd.store(gradient, simd.mul(simd.load(weights), rest));
    }
}
