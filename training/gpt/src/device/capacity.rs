//! Lack of memory for a computation, as an error.
//!
//! libtorch throws when a device has no memory left, and tensors have no other way to tell it than a panic.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// What libtorch says of a GPU, and of a processor.
const MESSAGES: [&str; 2] = ["out of memory", "can't allocate memory"];

/// There is not enough memory for a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// The result of a computation, unless there is not enough memory for it. What it was computing is then lost, and what it
/// borrowed is as before.
///
/// # Errors
/// If there is not enough memory.
///
/// # Panics
/// If it panics for another reason.
pub fn within_memory<R>(compute: impl FnOnce() -> R) -> Result<R, OutOfMemory> {
    say_nothing_of_memory();
    panic::catch_unwind(AssertUnwindSafe(compute)).map_err(|panic| {
        if !is_of_memory(panic.as_ref()) {
            panic::resume_unwind(panic);
        }
        OutOfMemory
    })
}

/// Such a panic becomes an error; without this, it would be reported as well.
fn say_nothing_of_memory() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !is_of_memory(info.payload()) {
                report(info);
            }
        }));
    });
}

fn is_of_memory(panic: &(dyn Any + Send)) -> bool {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    MESSAGES.iter().any(|message| text.contains(message))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::device::cpu;

    /// More than any machine's addresses.
    #[test]
    fn what_cannot_be_allocated_is_an_error() {
        let compute =
            |length: usize| Tensor::<1>::ones([1], &cpu()).expand([1, length]).mul_scalar(2.0).dims();
        assert_eq!(within_memory(|| compute(1 << 60)), Err(OutOfMemory));
        assert_eq!(within_memory(|| compute(3)), Ok([1, 3]));
    }

    #[test]
    #[should_panic(expected = "for another reason")]
    fn any_other_panic_goes_on() {
        let _ = within_memory(|| panic!("for another reason"));
    }
}
