//! SIMD trait: registers of 16 numbers, whatever instructions a processor has.
//!
//! A kernel is written once, for any [`Simd`]. A value of such a type is the proof that the processor has the
//! instructions, so that its methods are safe to call; they become those instructions inside of
//! [`vectorize`](Simd::vectorize), into which everything on the way must be inlined. All of them round alike and
//! add in the same order: **the bits of a result are the same on every processor**.

use super::amx::Amx;
use super::f16::F16;
use super::line::{LANES, Line};

/// Instructions for registers of 16 numbers.
///
/// Products of integers: a lane of weights is a word, which [`unpack`](Self::unpack) takes apart into two times four
/// weights of 4 bits, or two times two of 8. Those of 4 bits are multiplied with activations of 8 bits, those of 8
/// with activations of 16, of which [`bytes`](Self::bytes) and [`shorts`](Self::shorts) make groups in the order of
/// the weights.
///
/// # Safety
/// Callers of the loads and stores rely on these for memory safety: [`load_first`](Self::load_first) and
/// [`load_f16`](Self::load_f16) read, [`store_first`](Self::store_first) and [`store_f16`](Self::store_f16) write, the
/// first `count` numbers and no other memory; [`LINES`](Self::LINES)
/// divides [`MAX_LINES`](super::line::MAX_LINES). A value must exist only where the processor has the instructions that
/// its methods use.
pub(crate) unsafe trait Simd: Copy + Send + Sync + 'static {
    type Floats: Copy;
    /// Of 32 bits.
    type Integers: Copy;

    /// Registers of weights that a tile reads side by side, [`MAX_LINES`](super::line::MAX_LINES) or a part of them.
    const LINES: usize;
    /// Rows of a tile, 8 at most: the integers that it sums up should fit into the registers.
    const ROWS: usize;
    /// Words of weights of 4 bits whose products [`add_products`](Self::add_products) may sum up.
    const WORDS: usize;
    /// Whether one sum after the other would wait for the multiplier.
    const WAITS: bool;

    /// The instructions, if this processor has them.
    fn detect() -> Option<Self>;

    /// AMX, which multiplies many rows at once, if this processor has that too.
    fn amx(self) -> Option<Amx> {
        None
    }

    /// Calls `run`, compiled to these instructions if it is inlined.
    fn vectorize<R>(self, run: impl FnOnce() -> R) -> R;

    /// The first `count` numbers from `start` on, at most 16, filled up with zeros.
    ///
    /// # Safety
    /// `start` must be valid for reads of `count` numbers.
    unsafe fn load_first(self, start: *const f32, count: usize) -> Self::Floats;

    /// Writes the first `count` lanes, at most 16.
    ///
    /// # Safety
    /// `start` must be valid for writes of `count` numbers.
    unsafe fn store_first(self, start: *mut f32, count: usize, lanes: Self::Floats);

    /// The first `count` numbers of half precision from `start` on, at most 16, filled up with zeros.
    ///
    /// # Safety
    /// `start` must be valid for reads of `count` numbers.
    unsafe fn load_f16(self, start: *const F16, count: usize) -> Self::Floats;

    /// Writes the first `count` lanes, at most 16, rounded to half precision: to the nearest, of two as near the even
    /// one. What is too large for it becomes infinite.
    ///
    /// # Safety
    /// `start` must be valid for writes of `count` numbers.
    unsafe fn store_f16(self, start: *mut F16, count: usize, lanes: Self::Floats);

    fn load_line(self, line: &Line<f32>) -> Self::Floats;
    fn load_words(self, line: &Line<u32>) -> Self::Integers;

    fn splat(self, number: f32) -> Self::Floats;
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// `c - a * b`, rounded once.
    fn neg_mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The smaller ones; `b` if one of both is not a number.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The greater ones; `b` if one of both is not a number.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// To the nearest integer; of two, to the even one.
    fn round(self, a: Self::Floats) -> Self::Floats;
    /// `a * 2^n`, rounded once, for integers `n` from -150 to 128 and `a` from 0.5 to 2.
    fn scale(self, a: Self::Floats, n: Self::Floats) -> Self::Floats;
    /// The first `count` lanes of `a`, the others of `b`.
    fn first_of(self, count: usize, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Of all lanes.
    fn sum(self, a: Self::Floats) -> f32;
    /// Of all lanes, none of which may be other than a number.
    fn greatest(self, a: Self::Floats) -> f32;
    /// One bit per lane: whether it is at least so much. What is not a number is not.
    fn at_least(self, a: Self::Floats, least: f32) -> u16;
    /// Sums of four lanes each: each quarter of the result has those of the same quarter of the four registers.
    fn sums_of_quarters(self, registers: [Self::Floats; 4]) -> Self::Floats;
    /// Sums of the four quarters of each register, lane by lane: each quarter of the result has those of a register.
    fn sums_across_quarters(self, registers: [Self::Floats; 4]) -> Self::Floats;

    /// The transpose of 16 registers: each has a lane of all of them.
    fn transpose(self, registers: [Self::Floats; LANES]) -> [Self::Floats; LANES];

    /// The bits of numbers without their signs.
    fn magnitudes(self, a: Self::Floats) -> Self::Integers;
    /// The greater ones, none of them negative.
    fn max_magnitudes(self, a: Self::Integers, b: Self::Integers) -> Self::Integers;
    /// The greatest of all lanes, none of which is negative.
    fn greatest_magnitude(self, a: Self::Integers) -> u32;

    fn splat_integer(self, number: i32) -> Self::Integers;
    fn add_integers(self, a: Self::Integers, b: Self::Integers) -> Self::Integers;
    /// Of all lanes.
    fn sum_of_integers(self, a: Self::Integers) -> i32;
    /// The nearest integers; of two, the even ones.
    fn to_integers(self, a: Self::Floats) -> Self::Integers;
    fn to_floats(self, a: Self::Integers) -> Self::Floats;

    /// 16 activations as groups of four bytes: of every eight, those at even places come first.
    fn bytes(self, activations: Self::Integers) -> [[i32; 2]; 2];
    /// 16 activations as groups of two times 16 bits: of every four, those at even places come first.
    fn shorts(self, activations: Self::Integers) -> [[i32; 2]; 4];

    /// Takes words of weights of `BITS` bits, 4 or 8, apart.
    fn unpack<const BITS: usize>(self, words: Self::Integers) -> [Self::Integers; 2];
    /// Adds the products of a group of activations and as many weights of each lane.
    fn add_products<const BITS: usize>(
        self,
        sums: Self::Integers,
        weights: Self::Integers,
        group: i32,
    ) -> Self::Integers;
    /// Sums of products as integers of 32 bits.
    fn totals<const BITS: usize>(self, sums: Self::Integers) -> Self::Integers;
    /// The sum of products of weights of 8 bits, a multiple of 16, and the groups of as many activations.
    ///
    /// # Panics
    /// If there are fewer groups than that takes.
    fn dot(self, weights: &[u8], activations: &[[i32; 2]]) -> i32;

    /// The first 16 of `values`, filled up with zeros.
    #[inline(always)]
    fn load(self, values: &[f32]) -> Self::Floats {
        // SAFETY: a slice is valid for reads of its length, and no more than that is read.
        unsafe { self.load_first(values.as_ptr(), values.len().min(LANES)) }
    }

    /// Writes as many lanes as `values` has room for.
    #[inline(always)]
    fn store(self, values: &mut [f32], lanes: Self::Floats) {
        // SAFETY: a mutable slice is valid for writes of its length, and no more than that is written.
        unsafe { self.store_first(values.as_mut_ptr(), values.len().min(LANES), lanes) }
    }
}
