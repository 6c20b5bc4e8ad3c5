//! Output head that is read in two passes: all columns in 4 bits, then the columns of its shortlist in 8.

use super::activations::Activations;
use super::format::Format;
use super::multiply::multiply;
use super::output::Output;
use super::shortlist::{Columns, Shortlist, largest_of};
use super::weights::{PackedWeights, Weights};
use crate::arena::Arena;
use crate::error::WeightsError;
use crate::instructions::{Instructions, dispatch};
use crate::simd::Simd;
use crate::thread_pool::ThreadPool;

/// Distance of the prefetched columns of the shortlist.
const AHEAD: usize = 4;

/// A matrix `[d_in, d_out]` of int8 weights whose columns are tokens. Products of all but the largest, some two
/// hundred of a row, are less exact.
pub struct ShortlistedMatrix {
    instructions: Instructions,
    /// Of the weights as they are stored, which have 8 bits.
    format: Format,
    /// Rounded to 4 bits.
    coarse: Weights,
    shortlist: Shortlist,
}

impl ShortlistedMatrix {
    /// Whether a matrix has 8 bits and so many more columns than a shortlist that two passes are faster than one.
    pub fn is_worth_it(format: Format) -> bool {
        Shortlist::is_worth_it(format)
    }

    /// Lays out `packed` in 4 bits, with biases `[d_out]`, or none, on the threads of `pool`.
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
        let coarse = Weights::coarse(arena, pool, instructions.panel_lines(), format, packed, bias)?;
        Ok(Self { instructions, format, coarse, shortlist: Shortlist::default() })
    }

    /// Multiplies `x`, `[rows, d_in]`, and writes `product`, `[rows, d_out]`. `packed` is what the matrix was made
    /// of. A row gives the same bits alone and among others.
    ///
    /// # Panics
    /// If the lengths are not those of whole rows, or `packed` has others than the matrix was made of.
    pub fn multiply(
        &mut self,
        pool: &ThreadPool,
        packed: PackedWeights<'_>,
        x: &[f32],
        activations: &mut Activations,
        product: &mut [f32],
    ) {
        let rows = self.format.rows(x);
        assert_eq!(product.len(), rows * self.format.d_out, "rows and columns of a product");
        if rows > 0 {
            dispatch!(self.instructions, |simd| {
                self.multiply_all(simd, pool, x, activations, product);
                self.shortlist.choose_with(simd, product, self.format.d_out);
                self.multiply_shortlist(simd, pool, packed, x, activations, product);
            });
        }
    }

    /// All columns in 4 bits, and the largest product of each strip.
    fn multiply_all<S: Simd>(
        &mut self,
        simd: S,
        pool: &ThreadPool,
        x: &[f32],
        activations: &mut Activations,
        product: &mut [f32],
    ) {
        let Self { coarse, shortlist, .. } = self;
        let Format { d_in, d_out, .. } = coarse.format;
        let (rows, strips) = (x.len() / d_in, coarse.format.strips());
        activations.quantize(simd, pool, x, coarse.format);
        let activations = &*activations;
        let (output, largest) = (Output::new(product, rows, d_out), shortlist.largest(rows, strips));
        pool.run(strips, |strip| {
            // SAFETY: every strip is taken once, and nothing else uses the product until all have been.
            unsafe { multiply(simd, coarse, strip, activations, &output) };
            for row in 0..rows {
                // SAFETY: this task alone has the strip, and does not write to it any more.
                let logits = unsafe { output.strip(row, strip) };
                let greatest = simd.vectorize(
                    #[inline(always)]
                    || largest_of(simd, logits),
                );
                // SAFETY: the place belongs to this row and strip alone, and every strip is taken once.
                unsafe { largest.set(row, strip, greatest) };
            }
        });
    }

    /// The columns of the shortlist again, in 8 bits.
    fn multiply_shortlist<S: Simd>(
        &self,
        simd: S,
        pool: &ThreadPool,
        packed: PackedWeights<'_>,
        x: &[f32],
        activations: &mut Activations,
        product: &mut [f32],
    ) {
        let Format { d_in, d_out, .. } = self.format;
        activations.quantize(simd, pool, x, self.format);
        let activations = &*activations;
        let output = Output::new(product, x.len() / d_in, d_out);
        let columns = Columns::new(self.format, packed, &self.coarse.bias);
        let places = &self.shortlist.places;
        pool.run(places.len(), |place| {
            let (row, column) = (places[place].0 as usize, places[place].1 as usize);
            if let Some(&(_, next)) = places.get(place + AHEAD) {
                columns.prefetch(next as usize);
            }
            let logit = simd.vectorize(
                #[inline(always)]
                || columns.product(simd, activations, row, column),
            );
            // SAFETY: the shortlist has each place once, and every one is taken once.
            unsafe { output.set(row, column, logit) };
        });
    }
}
