//! Elementwise updates of large tensors, in place and in one pass over memory.
//!
//! An expression of tensor primitives reads and writes all its numbers once for every operator in
//! it. For an optimizer, which touches each weight of a model, that was a quarter of a training step.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::memory::{self, contiguous, elements, elements_mut, unshared};

/// Elements that a thread takes at once: few enough to stay in its cache.
const CHUNK: usize = 1 << 14;

/// Sets the elements at each position of three tensors: `[a, b, c] = update([a, b, c], x)`. Memory that
/// one of them shares with another tensor is copied first.
///
/// `definition` is the same update of whole tensors, by primitives; it is computed unless all tensors are
/// float32 on the CPU through libtorch, without autodiff.
///
/// # Shapes
/// - all tensors: any, the same
///
/// # Panics
/// If the shapes differ.
pub fn update<const D: usize>(
    tensors: [Tensor<D>; 3],
    x: Tensor<D>,
    update: impl Fn([f32; 3], f32) -> [f32; 3] + Sync,
    definition: impl FnOnce([Tensor<D>; 3], Tensor<D>) -> [Tensor<D>; 3],
) -> [Tensor<D>; 3] {
    assert!(tensors.iter().all(|tensor| tensor.dims() == x.dims()), "the shapes differ");
    if !tensors.iter().chain([&x]).all(is_float32_on_cpu) {
        return definition(tensors, x);
    }
    let mut tensors = tensors.map(|tensor| unshared(primitive(tensor)));
    let x = contiguous(primitive(x));
    let [a, b, c] = tensors.each_mut().map(elements_mut);
    let x = elements(&x);
    let update_chunk = |[a, b, c]: [&mut [f32]; 3], x: &[f32]| {
        for (((a, b), c), x) in a.iter_mut().zip(b).zip(c).zip(x) {
            [*a, *b, *c] = update([*a, *b, *c], *x);
        }
    };
    if x.len() <= CHUNK {
        update_chunk([a, b, c], x); // sooner than another thread wakes up
    } else {
        let chunks = a.par_chunks_mut(CHUNK).zip(b.par_chunks_mut(CHUNK)).zip(c.par_chunks_mut(CHUNK));
        let chunks = chunks.zip(x.par_chunks(CHUNK));
        chunks.for_each(|(((a, b), c), x)| update_chunk([a, b, c], x));
    }
    tensors.map(Tensor::from_primitive::<LibTorch>)
}

pub(super) fn is_float32_on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    let primitive = tensor.clone().try_into_primitive::<LibTorch>();
    primitive.is_ok_and(|tensor| memory::is_float32_on_cpu(&tensor))
}

pub(super) fn primitive<const D: usize>(tensor: Tensor<D>) -> TchTensor {
    match tensor.try_into_primitive::<LibTorch>() {
        Ok(tensor) => tensor,
        Err(error) => panic!("a tensor on the CPU without autodiff was expected: {error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::memory::start;

    fn vector(count: usize, first: usize) -> Tensor<1> {
        let values: Vec<f32> = (first..first + count).map(|value| value as f32).collect();
        Tensor::from_floats(values.as_slice(), &device::cpu())
    }

    fn add([a, b, c]: [f32; 3], x: f32) -> [f32; 3] {
        [a + x, b, c]
    }

    fn not_called<const D: usize>(_: [Tensor<D>; 3], _: Tensor<D>) -> [Tensor<D>; 3] {
        panic!("the tensors are on the CPU through libtorch")
    }

    fn address(tensor: &Tensor<1>) -> *mut f32 {
        start(&primitive(tensor.clone()))
    }

    #[test]
    fn updates_every_element_where_it_lies() {
        let count = 3 * CHUNK + 5;
        let tensors = [vector(count, 0), vector(count, 1), vector(count, 2)];
        let addresses = tensors.each_ref().map(address);
        let change = |[a, b, c]: [f32; 3], x: f32| [a + x, b - x, c * 2.0];
        let updated = update(tensors, vector(count, 3), change, not_called);
        assert_eq!(updated.each_ref().map(address), addresses);
        let [a, b, c] = updated.map(|tensor| tensor.into_data().try_to_vec::<f32>().unwrap());
        for i in 0..count {
            let i_ = i as f32;
            assert_eq!((a[i], b[i], c[i]), (2.0 * i_ + 3.0, -2.0, 2.0 * i_ + 4.0));
        }
    }

    #[test]
    fn leaves_others_their_memory() {
        let [a, b, x] = [vector(4, 0), vector(4, 10), vector(4, 20)];
        let ([a_before, x_before], transposed) = ([a.clone(), x.clone()], vector(4, 5).reshape([2, 2]));
        let [a, _, _] = update([a, b, vector(4, 0)], x, add, not_called);
        assert_eq!(a.into_data().try_to_vec::<f32>().unwrap(), [20.0, 22.0, 24.0, 26.0]);
        assert_eq!(a_before.into_data(), vector(4, 0).into_data());
        assert_eq!(x_before.into_data(), vector(4, 20).into_data());

        let transposed: Tensor<2> = transposed.transpose();
        let ones = || Tensor::<2>::ones([2, 2], &device::cpu());
        let [sum, _, _] = update([transposed, ones(), ones()], ones(), add, not_called);
        assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [6.0, 8.0, 7.0, 9.0]);
    }

    #[test]
    #[should_panic(expected = "the shapes differ")]
    fn refuses_other_shapes() {
        update([vector(4, 0), vector(4, 0), vector(5, 0)], vector(4, 0), add, not_called);
    }

    #[test]
    fn tensors_elsewhere_are_updated_by_the_definition() {
        let tracked = || Tensor::<1>::from_floats([1.0, 2.0], &device::cpu().autodiff());
        let [sum, b, c] =
            update([tracked(), tracked(), tracked()], tracked(), add, |[a, b, c], x| [a + x, b, c]);
        for (found, expected) in [(sum, [2.0, 4.0]), (b, [1.0, 2.0]), (c, [1.0, 2.0])] {
            assert_eq!(found.into_data().try_to_vec::<f32>().unwrap(), expected);
        }
    }
}
