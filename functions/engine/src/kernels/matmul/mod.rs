//! `MatMulNBits`: rows of activations times block-wise quantised weights.
//!
//! ONNX Runtime's own kernel unpacks the weights again for every row, so that verifying a draft of four
//! tokens or reading a prompt is bound by unpacking. Here weights are laid out once, at loading, so that
//! one instruction multiplies weights of 16 columns with activations that are the same for all of
//! them ([`weights`]), and several rows share what has been loaded and unpacked ([`tile`]). Decoding is
//! bound by memory then, and prompts by arithmetic; where the processor has AMX, those of 8 bits are read by
//! whole tiles. Weights lie in large pages for that ([`memory`]); and where they have 4 bits but an output
//! head has 8, which makes it half of that memory, it too is read with 4 bits for tokens that will hardly come
//! next ([`shortlist`]).

mod activations;
mod memory;
mod shortlist;
mod tile;
mod weights;

use std::sync::{Arc, Mutex, PoisonError};

use artifact::onnx::LOGITS;
use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::{TensorElementType, TensorValueType, ValueRef};

use self::activations::Activations;
use self::memory::Arena;
use self::shortlist::{Columns, Shortlist, largest_of};
use self::tile::{Output, multiply};
use self::weights::{Format, MAX_BLOCK_SIZE, Weights};
use super::context::{Tensor, has_input, with_last};
use super::simd::Simd;
use super::team::Team;

/// How far ahead columns of the shortlist are asked for.
const AHEAD: usize = 4;

pub(super) struct MatMulNBits<S> {
    simd: S,
    team: Arc<Team>,
    /// Whether an output head may be read in two passes.
    shortlist: bool,
    /// Matrices are multiplied one after the other: they share this memory.
    activations: Arc<Mutex<Activations>>,
    arena: Arena,
}

impl<S> MatMulNBits<S> {
    pub(super) fn new(simd: S, team: Arc<Team>, shortlist: bool) -> Self {
        Self { simd, team, shortlist, activations: Arc::default(), arena: Arena::default() }
    }
}

impl<S: Simd> Operator for MatMulNBits<S> {
    type Kernel<'attr> = Multiplication<S>;

    fn name(&self) -> &str {
        "MatMulNBits"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(TensorElementType::Float32), // activations
            OperatorInput::required(TensorElementType::Uint8),   // weights
            OperatorInput::required(TensorElementType::Float32), // scales
            OperatorInput::optional(TensorElementType::Uint8),   // zero points
            OperatorInput::optional(TensorElementType::Int32),   // group indices
            OperatorInput::optional(TensorElementType::Float32), // bias
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Multiplication<S>> {
        let attribute = |name: &str| {
            let value: Option<i64> = context.get(name);
            let value = value.and_then(|value| usize::try_from(value).ok()).filter(|&value| value > 0);
            value.ok_or_else(|| Error::new(format!("MatMulNBits: expected a positive attribute `{name}`")))
        };
        let format = Format {
            d_in: attribute("K")?,
            d_out: attribute("N")?,
            bits: attribute("bits")?,
            block_size: attribute("block_size")?,
        };
        let whole_blocks = format.block_size.is_multiple_of(16) && format.block_size <= MAX_BLOCK_SIZE;
        if !matches!(format.bits, 4 | 8) || !whole_blocks {
            return Err(Error::new(format!(
                "MatMulNBits: expected 4 or 8 bits in blocks of a multiple of 16 up to {MAX_BLOCK_SIZE}, found {format:?}"
            )));
        }
        if has_input(context, 3)? || has_input(context, 4)? {
            return Err(Error::new("MatMulNBits: expected no zero points and no group indices"));
        }
        let packed: ValueRef<'_, TensorValueType<u8>> = context.constant_input(1)?;
        let scales: ValueRef<'_, TensorValueType<f32>> = context.constant_input(2)?;
        let bias: Option<ValueRef<'_, TensorValueType<f32>>> =
            if has_input(context, 5)? { Some(context.constant_input(5)?) } else { None };
        let bias = bias.as_ref().map(|bias| bias.extract_tensor().1);
        let two_passes = self.shortlist
            && Shortlist::is_worth_it(format)
            && context.outputs()?.iter().any(|output| output.name() == LOGITS);
        let (shortlist, layout): (_, fn(&_, _, &_, &_, _) -> _) = if two_passes {
            (Some(Shortlist::default()), Weights::coarse::<S>)
        } else {
            (None, Weights::new::<S>)
        };
        let weights =
            layout(&self.arena, format, packed.extract_tensor().1, scales.extract_tensor().1, bias)?;
        let (simd, team, activations) = (self.simd, Arc::clone(&self.team), Arc::clone(&self.activations));
        Ok(Multiplication { simd, format, weights, shortlist, team, activations })
    }
}

pub(super) struct Multiplication<S> {
    simd: S,
    /// Of the weights in the model.
    format: Format,
    weights: Weights,
    /// If `weights` are coarser than that.
    shortlist: Option<Shortlist>,
    team: Arc<Team>,
    activations: Arc<Mutex<Activations>>,
}

impl<S: Simd> Kernel for Multiplication<S> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let Format { d_in, d_out, .. } = self.format;
        let x = Tensor::<f32>::input(context, 0)?;
        if x.shape.last().is_none_or(|&last| last as usize != d_in) {
            let shape = x.shape;
            return Err(Error::new(format!(
                "MatMulNBits: expected activations [.., {d_in}], found {shape:?}"
            )));
        }
        let (shape, axes) = with_last(x.shape, d_out);
        let product = Tensor::<f32>::output(context, 0, &shape[..axes])?;
        let (rows, strips) = (x.len() / d_in, self.weights.format.strips());
        // SAFETY: ONNX Runtime keeps the product until the run has ended.
        let output = unsafe { Output::new(product.start, rows, d_out) };
        if rows == 0 {
            return Ok(()); // nobody wants a logit of this chunk
        }
        // SAFETY: inputs do not change while an operator runs.
        let x = unsafe { x.numbers() };
        let mut activations = self.activations.lock().unwrap_or_else(PoisonError::into_inner);
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || activations.round(simd, x, self.weights.format),
        );
        let Some(shortlist) = &mut self.shortlist else {
            self.team.run(strips, |strip| {
                // SAFETY: every strip is taken once.
                unsafe { multiply(simd, &self.weights, strip, &activations, &output) };
            });
            return Ok(());
        };

        let largest_of_strips = shortlist.largest(rows, strips);
        self.team.run(strips, |strip| {
            // SAFETY: as above; what is read has just been written.
            unsafe {
                multiply(simd, &self.weights, strip, &activations, &output);
                for row in 0..rows {
                    let logits = output.strip(row, strip);
                    largest_of_strips.set(
                        row,
                        strip,
                        simd.vectorize(
                            #[inline(always)]
                            || largest_of(simd, logits),
                        ),
                    );
                }
            }
        });
        let packed = Tensor::<u8>::input(context, 1)?;
        let scales = Tensor::<f32>::input(context, 2)?;
        // SAFETY: as above; all strips have been written.
        let (logits, packed, scales) = unsafe { (output.numbers(), packed.numbers(), scales.numbers()) };
        simd.vectorize(
            #[inline(always)]
            || {
                activations.round(simd, x, self.format);
                shortlist.choose(simd, logits, d_out);
            },
        );
        let columns = Columns { format: self.format, packed, scales, bias: &self.weights.bias };
        let places = &shortlist.places;
        self.team.run(places.len(), |place| {
            let (row, column) = (places[place].0 as usize, places[place].1 as usize);
            if let Some(&(_, next)) = places.get(place + AHEAD) {
                columns.prefetch(next as usize);
            }
            let logit = simd.vectorize(
                #[inline(always)]
                || columns.product(simd, &activations, row, column),
            );
            // SAFETY: every place is taken once.
            unsafe { output.set(row, column, logit) };
        });
        Ok(())
    }
}
