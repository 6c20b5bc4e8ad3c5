//! Tensors of an operator that runs, by ONNX Runtime's C interface.
//!
//! `ort`'s own wrapper of it allocates memory for every tensor of every run, which is why it is not used here.

use std::{ptr, slice};

use ort::operator::{ComputeContext, KernelContext};
use ort::sys::ONNXTensorElementDataType;
use ort::{AsPointer, Error, ortsys};

/// An operator's tensors have at most so many axes.
const MAX_AXES: usize = 4;

/// A type of numbers in a tensor.
///
/// # Safety
/// `TYPE` must be ONNX Runtime's name of this type, and any bits must be a value of it.
pub(super) unsafe trait Number: Copy {
    const TYPE: ONNXTensorElementDataType;
}

// SAFETY: it is the type of this name, and any bits are a value of it.
unsafe impl Number for f32 {
    const TYPE: ONNXTensorElementDataType = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

// SAFETY: it is the type of this name, and any bits are a value of it.
unsafe impl Number for u8 {
    const TYPE: ONNXTensorElementDataType = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
}

// SAFETY: it is the type of this name, and any bits are a value of it.
unsafe impl Number for i32 {
    const TYPE: ONNXTensorElementDataType = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}

/// A tensor, last axis fastest.
pub(super) struct Tensor<'a, T> {
    pub(super) shape: &'a [i64],
    start: *mut T,
}

impl<'a, T: Number> Tensor<'a, T> {
    /// An input of the operator that runs.
    ///
    /// # Errors
    /// If it has other numbers, or more axes than any here.
    pub(super) fn input(context: &'a ComputeContext, index: usize) -> ort::Result<Self> {
        let mut value = ptr::null();
        // SAFETY: the context lives while the operator runs, and the pointer is one to write to.
        ortsys![unsafe KernelContext_GetInput(context.ptr(), index, &mut value)?];
        if value.is_null() {
            return Err(Error::new(format!("expected an input {index}, found none")));
        }
        Self::new(value.cast_mut())
    }

    /// An output of the operator that runs, allocated if nothing was bound to it. What is in it is not
    /// defined.
    ///
    /// # Errors
    /// If it cannot be allocated, or what was bound to it has another shape.
    pub(super) fn output(context: &'a ComputeContext, index: usize, shape: &[i64]) -> ort::Result<Self> {
        let mut value = ptr::null_mut();
        let context = context.ptr().cast_mut();
        // SAFETY: the context lives while the operator runs, and the pointers are those of the shape, its length
        // and one to write to.
        ortsys![unsafe KernelContext_GetOutput(context, index, shape.as_ptr(), shape.len(), &mut value)?];
        if value.is_null() {
            return Err(Error::new(format!("expected an output {index}, found none")));
        }
        Self::new(value)
    }

    fn new(value: *mut ort::sys::OrtValue) -> ort::Result<Self> {
        let (mut number, mut sizes, mut axes) = (T::TYPE, ptr::null(), 0);
        // SAFETY: `value` is a tensor that ONNX Runtime has just given, and the pointers are ones to write to.
        ortsys![unsafe GetTensorElementTypeAndShapeDataReference(value, &mut number, &mut sizes, &mut axes)?];
        if number != T::TYPE || axes > MAX_AXES {
            return Err(Error::new(format!(
                "expected {:?} and {MAX_AXES} axes at most, found {number:?} and {axes}",
                T::TYPE
            )));
        }
        // SAFETY: ONNX Runtime has given the sizes of the axes and their number; the tensor lives until the run has
        // ended, and so longer than the context.
        let shape = if axes == 0 { &[] } else { unsafe { slice::from_raw_parts(sizes, axes) } };
        let mut start = ptr::null_mut();
        // SAFETY: `value` is a tensor that ONNX Runtime has just given, and the pointer is one to write to.
        ortsys![unsafe GetTensorMutableData(value, &mut start)?];
        Ok(Self { shape, start: start.cast() })
    }

    /// Number of numbers.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().map(|&size| size as usize).product()
    }

    /// Its numbers.
    ///
    /// # Safety
    /// Nothing may write them for as long as they are borrowed.
    pub(super) unsafe fn numbers(&self) -> &'a [T] {
        if self.len() == 0 {
            return &[];
        }
        // SAFETY: the tensor holds as many numbers of this type, as `new` has asked, and outlives the context; the
        // caller keeps writers away.
        unsafe { slice::from_raw_parts(self.start, self.len()) }
    }

    /// Its numbers, to be written.
    ///
    /// # Safety
    /// Nothing else may read or write them for as long as they are borrowed.
    #[allow(clippy::mut_from_ref)] // It is the tensor that is borrowed, not this view of it.
    pub(super) unsafe fn numbers_mut(&self) -> &'a mut [T] {
        if self.len() == 0 {
            return &mut [];
        }
        // SAFETY: the tensor holds as many numbers of this type, as `new` has asked, and outlives the context; the
        // caller keeps other readers and writers away.
        unsafe { slice::from_raw_parts_mut(self.start, self.len()) }
    }
}

/// `shape` with another last axis.
pub(super) fn with_last(shape: &[i64], last: usize) -> ([i64; MAX_AXES], usize) {
    let mut changed = [0; MAX_AXES];
    changed[..shape.len()].copy_from_slice(shape);
    if let Some(size) = changed[..shape.len()].last_mut() {
        *size = last as i64;
    }
    (changed, shape.len())
}

/// Whether an optional input is there.
pub(super) fn has_input(context: &KernelContext<'_>, index: usize) -> ort::Result<bool> {
    let mut count = 0;
    // SAFETY: the context lives while the kernel is made, and the pointer is one to write to.
    ortsys![unsafe KernelInfo_GetInputCount(context.ptr(), &mut count)?];
    // The name of an input that is left out is empty.
    Ok(index < count && !input_name(context, index)?.is_empty())
}

/// Name of an input, which the operator must have.
pub(super) fn input_name(context: &KernelContext<'_>, index: usize) -> ort::Result<String> {
    let mut bytes = 0;
    // SAFETY: the context lives while the kernel is made, and without memory for the name its length alone is written,
    // with the closing zero.
    ortsys![unsafe KernelInfo_GetInputName(context.ptr(), index, ptr::null_mut(), &mut bytes)?];
    let mut name = vec![0_u8; bytes];
    // SAFETY: the context lives while the kernel is made, and there is memory for as many bytes as `bytes` says.
    ortsys![unsafe KernelInfo_GetInputName(context.ptr(), index, name.as_mut_ptr().cast(), &mut bytes)?];
    name.truncate(bytes.saturating_sub(1));
    String::from_utf8(name).map_err(|error| Error::new(format!("the name of input {index}: {error}")))
}
