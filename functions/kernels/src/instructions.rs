//! Instruction set of the kernels, detected at run time.

use crate::simd::{Avx2, Avx512, Simd};

/// The instructions that the kernels are run with. A value is the proof that this processor has them.
#[derive(Clone, Copy)]
pub struct Instructions(pub(crate) Detected);

/// An instruction set by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL and VNNI; beside them AMX for prompts, where the processor has it.
    Avx512,
}

#[derive(Clone, Copy)]
pub(crate) enum Detected {
    Avx2(Avx2),
    Avx512(Avx512),
}

/// Evaluates an expression with the [`Simd`] type of some [`Instructions`]: the one place where a kernel is chosen.
macro_rules! dispatch {
    ($instructions:expr, |$simd:ident| $kernel:expr) => {
        match $instructions.0 {
            $crate::instructions::Detected::Avx2($simd) => $kernel,
            $crate::instructions::Detected::Avx512($simd) => $kernel,
        }
    };
}
pub(crate) use dispatch;

impl Instructions {
    /// The best instructions that this processor has; `None` if it has not even AVX2.
    pub fn detect() -> Option<Self> {
        let avx512 = Avx512::detect().map(Detected::Avx512);
        avx512.or_else(|| Avx2::detect().map(Detected::Avx2)).map(Self)
    }

    /// Lines of weights that the kernels read side by side.
    pub(crate) fn panel_lines(self) -> usize {
        fn lines<S: Simd>(_: S) -> usize {
            S::LINES
        }
        dispatch!(self, |simd| lines(simd))
    }

    /// Their name.
    pub fn set(self) -> InstructionSet {
        match self.0 {
            Detected::Avx2(_) => InstructionSet::Avx2,
            Detected::Avx512(_) => InstructionSet::Avx512,
        }
    }
}
