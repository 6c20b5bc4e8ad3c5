//! Sums over large tensors, in one pass over memory and in double precision.

use std::ops::AddAssign;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::in_place::{is_float32_on_cpu, primitive};
use super::memory::{contiguous, elements};

/// Numbers that a thread sums at once. It does not depend on the number of threads, so the sum does not either.
const CHUNK: usize = 1 << 16;
/// Sums side by side, which the processor adds to at once.
const LANES: usize = 8;

/// A sum, or a part of it.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    number: f64,
    /// `[1]`, on the device, so that nobody waits for it before all parts are computed.
    on_device: Option<Tensor<1>>,
}

impl Sum {
    /// Its value.
    pub fn value(self) -> f64 {
        self.number + self.on_device.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()))
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.number += other.number;
        self.on_device = match (self.on_device.take(), other.on_device) {
            (Some(sum), Some(other)) => Some(sum + other),
            (sum, other) => sum.or(other),
        };
    }
}

/// The sum of the squares of all elements.
///
/// # Shapes
/// - `x`: any
pub fn sum_of_squares<const D: usize>(x: Tensor<D>, definition: impl FnOnce(Tensor<D>) -> Tensor<1>) -> Sum {
    if !is_float32_on_cpu(&x) {
        return Sum { number: 0.0, on_device: Some(definition(x)) };
    }
    let x = contiguous(primitive(x));
    let x = elements(&x);
    if x.len() <= CHUNK {
        return Sum { number: sum_of_chunk(x), on_device: None }; // sooner than another thread wakes up
    }
    let sums: Vec<f64> = x.par_chunks(CHUNK).map(sum_of_chunk).collect();
    Sum { number: sums.iter().sum(), on_device: None }
}

fn sum_of_chunk(chunk: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (groups, rest) = chunk.as_chunks::<LANES>();
    for group in groups {
        for (sum, number) in sums.iter_mut().zip(group) {
            *sum += f64::from(*number) * f64::from(*number);
        }
    }
    let rest: f64 = rest.iter().map(|number| f64::from(*number).powi(2)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    #[test]
    fn every_element_counts_once() {
        for count in [1, 7, 8, CHUNK - 1, 2 * CHUNK + 3] {
            let ones = Tensor::<1>::ones([count], &device::cpu()) * 3.0;
            assert_eq!(sum(ones), 9.0 * count as f64);
        }
        // Far beyond what a sum in float32 counts to.
        let small = Tensor::<1>::ones([1 << 25], &device::cpu());
        assert_eq!(sum(small), f64::from(1 << 25));
        let transposed =
            Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device::cpu()).transpose();
        assert_eq!(sum(transposed), 91.0);
    }

    fn sum<const D: usize>(x: Tensor<D>) -> f64 {
        sum_of_squares(x, |_| panic!("it is on libtorch")).value()
    }

    #[test]
    fn tensors_elsewhere_are_summed_by_the_definition() {
        let tracked = || Tensor::<1>::ones([2], &device::cpu().autodiff());
        let mut sum = Sum::default();
        for x in [tracked(), tracked(), tracked().inner()] {
            sum += sum_of_squares(x, |x| x.square().sum());
        }
        assert_eq!(sum.value(), 6.0);
    }
}
