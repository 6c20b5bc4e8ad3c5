//! Memory of libtorch's tensors as slices.

use burn::backend::libtorch::TchTensor;
use kernels::training::MatrixView;

/// Whether these are float32 numbers on the CPU, at least one.
pub(super) fn is_float32_on_cpu(tensor: &TchTensor) -> bool {
    let tensor = &tensor.tensor;
    tensor.kind() == tch::Kind::Float && tensor.device() == tch::Device::Cpu && tensor.numel() > 0
}

/// The tensor itself, or a copy whose numbers lie one after the other.
pub(super) fn contiguous(tensor: TchTensor) -> TchTensor {
    if tensor.tensor.is_contiguous() { tensor } else { TchTensor::new(tensor.tensor.contiguous()) }
}

/// The tensor itself, or a copy if its memory belongs to others too.
pub(super) fn unshared(tensor: TchTensor) -> TchTensor {
    let tensor = contiguous(tensor);
    if tensor.can_mut() { tensor } else { TchTensor::new(tensor.tensor.copy()) }
}

/// A new tensor of float32 numbers, whatever they are: they are to be written.
pub(super) fn unwritten(shape: &[i64]) -> TchTensor {
    TchTensor::new(tch::Tensor::empty(shape, (tch::Kind::Float, tch::Device::Cpu)))
}

/// The address of the first element.
pub(super) fn start(tensor: &TchTensor) -> *mut f32 {
    let (kind, device) = (tensor.tensor.kind(), tensor.tensor.device());
    assert!(kind == tch::Kind::Float && device == tch::Device::Cpu, "found {kind:?} on {device:?}");
    assert!(tensor.tensor.is_contiguous() && tensor.tensor.numel() > 0, "found {:?}", tensor.tensor);
    tensor.tensor.data_ptr().cast()
}

/// The numbers of a contiguous tensor.
pub(super) fn elements(tensor: &TchTensor) -> &[f32] {
    // SAFETY: `start` has checked that there lie `numel` numbers one after the other. They stay there
    // as long as the tensor is borrowed.
    unsafe { std::slice::from_raw_parts(start(tensor), tensor.tensor.numel()) }
}

/// The numbers of a contiguous tensor whose memory belongs to nobody else.
pub(super) fn elements_mut(tensor: &mut TchTensor) -> &mut [f32] {
    assert!(tensor.can_mut(), "another tensor shares the memory");
    // SAFETY: `start` has checked that there lie `numel` numbers one after the other. They stay there
    // as long as the tensor is borrowed, and no other tensor has them, so nobody else reads or writes them. Memory
    // that libtorch has not written holds numbers nonetheless, of any bits.
    unsafe { std::slice::from_raw_parts_mut(start(tensor), tensor.tensor.numel()) }
}

/// A tensor of two axes that can be viewed: itself, its transpose, or a copy.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    tensor: TchTensor,
    transposed: bool,
}

impl Matrix {
    pub(super) fn new(tensor: &TchTensor) -> Self {
        let transpose = tensor.tensor.tr();
        if !tensor.tensor.is_contiguous() && transpose.is_contiguous() {
            return Self { tensor: TchTensor::new(transpose), transposed: true };
        }
        Self { tensor: contiguous(tensor.clone()), transposed: false }
    }

    pub(super) fn transpose(&self) -> Self {
        Self { transposed: !self.transposed, ..self.clone() }
    }

    /// `[rows, columns]`
    pub(super) fn shape(&self) -> [i64; 2] {
        let (rows, columns) = self.tensor.tensor.size2().unwrap_or_default();
        if self.transposed { [columns, rows] } else { [rows, columns] }
    }

    pub(super) fn view(&self) -> MatrixView<'_> {
        let (rows, columns) = self.tensor.tensor.size2().unwrap_or_default();
        let view = MatrixView::new(elements(&self.tensor), rows as usize, columns as usize);
        if self.transposed { view.transpose() } else { view }
    }
}
