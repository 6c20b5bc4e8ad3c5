//! Threads of libtorch in a fused step: one, and all again after it.
//!
//! Their number is one for the whole process, so this stands where no test compares bits.

use gpt::device;

#[test]
fn libtorch_has_one_thread_in_a_fused_step_and_gets_the_others_back() {
    device::cpu();
    let before = device::describe(&device::cpu());
    let kept = device::keep_libtorch_to_one_thread();
    if kept.is_some() {
        assert!(
            device::describe(&device::cpu()).ends_with(" 1 threads"),
            "{}",
            device::describe(&device::cpu())
        );
    } else {
        eprintln!("no kernels for this processor: not tested");
    }
    drop(kept);
    assert_eq!(device::describe(&device::cpu()), before);
}
