//! Quantized matrix, laid out to be multiplied with rows of activations.

use super::activations::Activations;
use super::format::Format;
use super::multiply::multiply;
use super::output::Output;
use super::weights::{PackedWeights, Weights};
use crate::arena::Arena;
use crate::error::WeightsError;
use crate::instructions::{Instructions, dispatch};
use crate::thread_pool::ThreadPool;

/// A matrix `[d_in, d_out]` of int4 or int8 weights, with a bias for each column.
pub struct Matrix {
    instructions: Instructions,
    weights: Weights,
}

impl Matrix {
    /// Lays out `packed`, with biases `[d_out]`, or none, on the threads of `pool`.
    ///
    /// # Errors
    /// If the lengths are not those of `format`, or there is no memory.
    pub fn new(
        instructions: Instructions,
        arena: &Arena,
        pool: &ThreadPool,
        format: Format,
        packed: PackedWeights<'_>,
        bias: Option<&[f32]>,
    ) -> Result<Self, WeightsError> {
        let weights = Weights::new(arena, pool, instructions.panel_lines(), format, packed, bias)?;
        Ok(Self { instructions, weights })
    }

    /// Multiplies `x`, `[rows, d_in]`, and writes `product`, `[rows, d_out]`. A row gives the same bits alone and
    /// among others.
    ///
    /// # Panics
    /// If the lengths are not those of whole rows.
    pub fn multiply(&self, pool: &ThreadPool, x: &[f32], activations: &mut Activations, product: &mut [f32]) {
        let format = self.weights.format;
        let rows = format.rows(x);
        let output = Output::new(product, rows, format.d_out);
        if rows == 0 {
            return;
        }
        dispatch!(self.instructions, |simd| {
            activations.quantize(simd, pool, x, format);
            let activations = &*activations;
            pool.run(format.strips(), |strip| {
                // SAFETY: every strip is taken once, and nothing else uses the product until all have been.
                unsafe { multiply(simd, &self.weights, strip, activations, &output) };
            });
        });
    }
}
