//! The operator domain `com.microsoft`, as far as a processor can run it on the kernels.

use std::sync::Arc;

use artifact::GptConfig;
use kernels::{InstructionSet, Instructions, MAX_D_HEAD, ThreadPool};
use ort::operator::OperatorDomain;

use super::attention::GroupQueryAttention;
use super::caught::Caught;
use super::gelu::FastGelu;
use super::layer_norm::SkipLayerNormalization;
use super::matmul::MatMulNBits;
use crate::kernel_set::Kernels;
use crate::plan::SharedPlan;

/// The operators that a session takes in place of ONNX Runtime's own, if this processor can run them. They share a
/// pool of `threads` threads, of which the session's is one. With `shortlist`, logits of all but the likeliest
/// tokens, some two hundred, are less exact. Attention looks at the texts of `plan`. The pool is free between runs.
///
/// # Errors
/// If ONNX Runtime refuses them, or there cannot be so many threads.
pub(crate) fn operators(
    config: &GptConfig,
    threads: usize,
    shortlist: bool,
    plan: &SharedPlan,
) -> ort::Result<Option<(OperatorDomain, Kernels, Arc<ThreadPool>)>> {
    // All of them or none: with one that is ONNX Runtime's, a row would depend on the others again.
    let Some(instructions) = Instructions::detect().filter(|_| config.d_head() <= MAX_D_HEAD) else {
        return Ok(None);
    };
    let no_threads = |error| ort::Error::new(format!("no {threads} threads for the kernels: {error}"));
    let pool = Arc::new(ThreadPool::new(threads).map_err(no_threads)?);
    let domain = OperatorDomain::new("com.microsoft")?
        .add(Caught(MatMulNBits::new(instructions, Arc::clone(&pool), shortlist)))?
        .add(Caught(SkipLayerNormalization { instructions, pool: Arc::clone(&pool) }))?
        .add(Caught(FastGelu { instructions, pool: Arc::clone(&pool) }))?
        .add(Caught(GroupQueryAttention::new(instructions, Arc::clone(&pool), plan.clone())))?;
    let kernels = match instructions.set() {
        InstructionSet::Avx2 => Kernels::Avx2,
        InstructionSet::Avx512 => Kernels::Avx512,
    };
    Ok(Some((domain, kernels, pool)))
}
