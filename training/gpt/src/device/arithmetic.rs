//! Arithmetic of layers: from tensor primitives, by kernels of our own, or with products in bf16.

use std::time::{Duration, Instant};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

use super::choice::gpu_of;
use super::cpu::multiplies_bf16;

/// Side of the matrices that are multiplied to compare a GPU's products.
const SIDE: i64 = 2048;
/// How often they are multiplied, after a first time that loads the program for it.
const PRODUCTS: usize = 8;

/// How the layers of a model compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// From tensor primitives in float32: the definition.
    #[default]
    Primitives,
    /// By kernels of our own in float32, see [`layers`](super::layers).
    Kernels,
    /// With products, attention and what is kept for the gradient in bf16, see [`bf16`](super::bf16).
    Bf16,
}

/// Whether a device multiplies bf16 faster than float32. A processor says so; a GPU is measured.
pub fn prefers_bf16(device: &Device) -> bool {
    match gpu_of(device) {
        None => multiplies_bf16(),
        Some(index) => matches!(
            [Kind::BFloat16, Kind::Float].map(|kind| time_of_products(index, kind)),
            [Ok(bf16), Ok(float32)] if bf16 < float32
        ),
    }
}

fn time_of_products(gpu: usize, kind: Kind) -> Result<Duration, TchError> {
    let matrix = Tensor::f_ones([SIDE, SIDE], (kind, tch::Device::Cuda(gpu)))?;
    let wait = |product: Tensor| f64::try_from(product.f_sum(Kind::Float)?); // reads it, and so waits for it
    wait(matrix.f_matmul(&matrix)?)?;
    let start = Instant::now();
    let mut product = matrix.f_matmul(&matrix)?;
    for _ in 1..PRODUCTS {
        product = matrix.f_matmul(&matrix)?;
    }
    wait(product)?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn a_processor_says_what_it_multiplies() {
        assert_eq!(prefers_bf16(&cpu().autodiff()), multiplies_bf16());
    }
}
