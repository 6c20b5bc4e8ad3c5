//! Thread pool of our own operators, on processors that they are made for.

#[cfg(target_arch = "x86_64")]
pub(crate) use kernels::ThreadPool;

/// There are no such operators, and so there is no pool.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) enum ThreadPool {}

#[cfg(not(target_arch = "x86_64"))]
impl ThreadPool {
    pub(crate) fn run_each<T: Send>(&self, _: impl ExactSizeIterator<Item = T>, _: impl Fn(T) + Sync) {
        match *self {}
    }
}
