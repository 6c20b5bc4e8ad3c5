//! Operators for processors with AVX2, or better AVX-512 VNNI, in place of ONNX Runtime's own.
//!
//! They have the names, the inputs and the formats of ONNX Runtime's
//! (<https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>), which run everywhere
//! else: models need not know of them. They are made for what an engine does, which is to run a few rows
//! at a time, and nothing in them depends on how many: **a row gives the same bits alone and among
//! others, and on every processor**, so that neither drafts nor kept prompts can change a text.
//!
//! - [`matmul`] is `MatMulNBits`, several rows for little more than the price of one;
//! - [`attention`] is `GroupQueryAttention`, with keys and values written in place;
//! - [`norm`] is `SkipLayerNormalization`;
//! - [`gelu`] is `FastGelu`;
//! - [`simd`] and [`math`] are what they compute with; [`team`]: the threads that they share; [`context`]: what ONNX Runtime
//!   hands them.

mod attention;
mod context;
mod gelu;
mod math;
mod matmul;
mod norm;
mod simd;
mod team;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use artifact::GptConfig;
use ort::operator::OperatorDomain;

use self::simd::{Avx2, Avx512, Simd};
use self::team::Team;
use crate::model::Kernels;

/// What a session takes in place of ONNX Runtime's own operators, if this processor can run it. They have `threads`
/// threads of their own, of which the session's is one. With `shortlist`, logits of all but the likeliest tokens,
/// some two hundred, are less exact. Attention weights are written while `inspected` says so.
///
/// # Errors
/// If ONNX Runtime refuses it, or there cannot be so many threads.
pub(crate) fn operators(
    config: &GptConfig,
    threads: usize,
    shortlist: bool,
    inspected: &Arc<AtomicBool>,
) -> ort::Result<Option<(OperatorDomain, Kernels)>> {
    // All of them or none: with one that is not ours, a row would depend on the others again.
    if config.d_head() > attention::MAX_D_HEAD {
        return Ok(None);
    }
    let made = if let Some(avx512) = Avx512::detect() {
        (domain(avx512, threads, shortlist, inspected)?, Kernels::Avx512)
    } else if let Some(avx2) = Avx2::detect() {
        (domain(avx2, threads, shortlist, inspected)?, Kernels::Avx2)
    } else {
        return Ok(None);
    };
    Ok(Some(made))
}

fn domain(
    simd: impl Simd,
    threads: usize,
    shortlist: bool,
    inspected: &Arc<AtomicBool>,
) -> ort::Result<OperatorDomain> {
    let no_threads = |error| ort::Error::new(format!("no {threads} threads for the kernels: {error}"));
    let team = Arc::new(Team::new(threads).map_err(no_threads)?);
    OperatorDomain::new("com.microsoft")?
        .add(matmul::MatMulNBits::new(simd, Arc::clone(&team), shortlist))?
        .add(norm::SkipLayerNormalization { simd })?
        .add(gelu::FastGelu { simd, team: Arc::clone(&team) })?
        .add(attention::GroupQueryAttention::new(simd, team, Arc::clone(inspected)))
}
