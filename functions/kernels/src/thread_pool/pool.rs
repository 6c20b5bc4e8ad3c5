//! Thread pool for the kernels; workers spin before they sleep.
//!
//! A token takes some sixty jobs of a few microseconds each. With ONNX Runtime's threads, a token of two threads was
//! measured to take some 3 % longer than with these, which wait awake and see the next job at once.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, ptr};

use super::turns::Turns;

/// Turns a thread gets, so that one that is held up leaves some to the others.
const TURNS_PER_THREAD: usize = 4;
/// Time that a worker spins for its next turn: within a run of a model it comes sooner, and between requests
/// nothing should burn the processor.
const AWAKE: Duration = Duration::from_millis(1);
/// Looks for a turn between two at the clock.
const LOOKS: usize = 64;

/// Threads that share the tasks of a job; the thread that calls [`run`](Self::run) is one of them.
pub struct ThreadPool {
    shared: Arc<Shared>,
    /// There is one job at a time.
    jobs: Mutex<()>,
    workers: Vec<Worker>,
}

struct Worker {
    sleeps: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Shared {
    /// Turns of the job that nobody has taken.
    open: Turns,
    /// Turns of the job that are not over.
    unfinished: AtomicUsize,
    /// Written while there are none, read by those who have taken a turn.
    job: UnsafeCell<Job>,
    /// Whether there will be no more.
    ends: AtomicBool,
}

// SAFETY: a thread that sends or drops it touches no job: `job` holds plain pointers, which are used by those alone
// who have taken a turn of `open`, and what they point to is `Sync` (see `ThreadPool::run`).
unsafe impl Send for Shared {}
// SAFETY: `job` is written by `ThreadPool::run` alone, under the lock of `jobs`, while `unfinished` is 0 and no
// turn is open; it is read after a turn was taken, which happens after the write, and before that turn counts as
// finished.
unsafe impl Sync for Shared {}

#[derive(Clone, Copy)]
struct Job {
    /// Takes a turn of the [`Tasks`] that the pointer leads to; it must not unwind.
    take: unsafe fn(*const (), usize),
    tasks: *const (),
}

/// The tasks of a job, on the stack of the thread that called [`ThreadPool::run`].
struct Tasks<F> {
    run: F,
    items: usize,
    turns: usize,
    /// The workers' share of the turns, which are the first ones.
    of_workers: usize,
    /// The payload of the first panic.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<F: Fn(usize)> Tasks<F> {
    /// Runs the items of a turn; a panic is kept for the caller.
    fn take(&self, turn: usize) {
        let Self { items, turns, of_workers, .. } = *self;
        // The caller takes turns from the last one down, but should read memory upwards as the others do.
        let task = if turn < of_workers { turn } else { turns - 1 - (turn - of_workers) };
        let of_task = task * items / turns..(task + 1) * items / turns;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| of_task.for_each(&self.run))) {
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    }
}

impl ThreadPool {
    /// A pool of so many threads, of which the one that calls [`run`](Self::run) is one.
    ///
    /// # Errors
    /// If there cannot be so many.
    pub fn new(threads: usize) -> io::Result<Self> {
        fn nothing(_: *const (), _: usize) {}
        let shared = Shared {
            open: Turns::default(),
            unfinished: AtomicUsize::new(0),
            job: UnsafeCell::new(Job { take: nothing, tasks: ptr::null() }),
            ends: AtomicBool::new(false),
        };
        let mut pool = Self { shared: Arc::new(shared), jobs: Mutex::default(), workers: Vec::new() };
        for number in 1..threads {
            let (shared, sleeps) = (Arc::clone(&pool.shared), Arc::<AtomicBool>::default());
            let of_thread = Arc::clone(&sleeps);
            let thread = thread::Builder::new().name(format!("kernels-{number}"));
            let thread = thread.spawn(move || work(&shared, &of_thread))?;
            pool.workers.push(Worker { sleeps, thread });
        }
        Ok(pool)
    }

    /// Calls `run` with each of `0..items`, neighbours rather on the same thread. It must not use the pool itself,
    /// which would wait for itself.
    ///
    /// # Panics
    /// If `run` does, on whatever thread: with the first panic, after all threads have finished. Some items are then not
    /// run. The pool can be used afterwards.
    pub fn run<F: Fn(usize) + Sync>(&self, items: usize, run: F) {
        /// # Safety
        /// `tasks` must point to [`Tasks`] of this `F` that nobody borrows for writing.
        unsafe fn take<F: Fn(usize)>(tasks: *const (), turn: usize) {
            // SAFETY: the caller vouches for the type and for the borrow.
            unsafe { &*tasks.cast::<Tasks<F>>() }.take(turn);
        }

        let threads = 1 + self.workers.len();
        if threads == 1 || items <= 1 {
            (0..items).for_each(run);
            return;
        }
        let _job = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = items.min(TURNS_PER_THREAD * threads);
        let tasks = Tasks { run, items, turns, of_workers: turns - turns / threads, panic: Mutex::default() };
        let Shared { open, unfinished, job, .. } = &*self.shared;
        // SAFETY: the lock of `jobs` is held, no turn is open and all that were taken are over: nobody else reads
        // or writes the job. The pointer is used by those who take a turn of it, for all of whom this function
        // waits, even if a task panics: `tasks` outlives them, and it is `Sync`, since `F` is.
        unsafe { *job.get() = Job { take: take::<F>, tasks: ptr::from_ref(&tasks).cast() } };
        unfinished.store(turns, Ordering::Relaxed);
        open.set(turns);
        fence(Ordering::SeqCst); // a worker is seen to sleep here, or sees the turns before it does
        for worker in self.workers.iter().filter(|worker| worker.sleeps.load(Ordering::Relaxed)) {
            worker.thread.thread().unpark();
        }
        while let Some(turn) = open.take_last() {
            tasks.take(turn);
            unfinished.fetch_sub(1, Ordering::Relaxed);
        }
        let mut looks = 0_usize;
        while unfinished.load(Ordering::Acquire) > 0 {
            looks += 1;
            // A thread that has no processor may need ours.
            if looks.is_multiple_of(LOOKS) { thread::yield_now() } else { spin_loop() }
        }
        if let Some(payload) = tasks.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(payload);
        }
    }

    /// Calls `run` with each of `items`, which a thread takes over.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_each<T: Send>(&self, items: impl ExactSizeIterator<Item = T>, run: impl Fn(T) + Sync) {
        if items.len() <= 1 || self.workers.is_empty() {
            return items.for_each(run); // without allocating
        }
        let items: Vec<Mutex<Option<T>>> = items.map(|item| Mutex::new(Some(item))).collect();
        self.run(items.len(), |index| {
            let item = items[index].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(item) = item {
                run(item);
            }
        });
    }

    /// Calls `run` with the number of each chunk of `numbers` and the chunk itself; all have `length` numbers but the
    /// last, which may be shorter.
    ///
    /// # Panics
    /// If `length` is 0, or as [`run`](Self::run).
    pub fn run_chunks<T: Send>(
        &self,
        numbers: &mut [T],
        length: usize,
        run: impl Fn(usize, &mut [T]) + Sync,
    ) {
        /// The start of the numbers, for tasks that each write another chunk.
        struct Start<T>(*mut T);
        // SAFETY: tasks make slices of chunks from it, no two of the same, of a type that may be sent to their
        // threads.
        unsafe impl<T: Send> Sync for Start<T> {}

        let (start, count) = (Start(numbers.as_mut_ptr()), numbers.len());
        self.run(count.div_ceil(length), |index| {
            let start = &start; // all of it, which is `Sync`
            let first = index * length;
            // SAFETY: `first..first + length`, cut off at `count`, lies within `numbers`, which are borrowed for
            // writing until `run` returns; every index is taken once, so that no other task has this chunk.
            let chunk =
                unsafe { std::slice::from_raw_parts_mut(start.0.add(first), length.min(count - first)) };
            run(index, chunk);
        });
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            worker.thread.thread().unpark();
            let _ = worker.thread.join(); // it returns nothing, and does not panic
        }
    }
}

/// The loop of a worker, until the pool is dropped.
fn work(shared: &Shared, sleeps: &AtomicBool) {
    let mut looks = 0_usize;
    let mut waits_since = Instant::now();
    while !shared.ends.load(Ordering::Relaxed) {
        if let Some(turn) = shared.open.take_first() {
            // SAFETY: the job was written before its turns were opened, of which this is one; it is not written again
            // before this turn counts as finished.
            let Job { take, tasks } = unsafe { *shared.job.get() };
            // SAFETY: `ThreadPool::run` stored the function for the type of these tasks, which it keeps, without
            // writing to them, until this turn counts as finished.
            unsafe { take(tasks, turn) };
            shared.unfinished.fetch_sub(1, Ordering::Release);
            looks = 0;
            continue;
        }
        spin_loop();
        looks += 1;
        if looks == 1 {
            waits_since = Instant::now();
        } else if looks.is_multiple_of(LOOKS) && waits_since.elapsed() > AWAKE {
            sleeps.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst); // see `run`
            if shared.open.is_empty() && !shared.ends.load(Ordering::Relaxed) {
                thread::park();
            }
            sleeps.store(false, Ordering::Relaxed);
            looks = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many jobs one after the other, with pauses in which the others fall asleep: each item is taken once, and
    /// all have been when the job ends.
    #[test]
    fn takes_every_item_once() {
        for threads in 1..=5 {
            let pool = ThreadPool::new(threads).unwrap();
            for round in 0..400_usize {
                let items = round % 97;
                let taken: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                pool.run(items, |item| {
                    taken[item].fetch_add(1, Ordering::Relaxed);
                });
                assert!(taken.iter().all(|taken| taken.load(Ordering::Relaxed) == 1), "{threads} {items}");
                if round % 100 == 50 {
                    thread::sleep(2 * AWAKE);
                }
            }
        }
    }

    /// Every thread gets something to do: each task waits for as many others to have begun as there are threads.
    #[test]
    fn tasks_run_at_the_same_time() {
        let threads = 3;
        let pool = ThreadPool::new(threads).unwrap();
        for pause in [Duration::ZERO, 5 * AWAKE] {
            thread::sleep(pause);
            let begun = AtomicUsize::new(0);
            pool.run(threads, |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                while begun.load(Ordering::Relaxed) < threads {
                    thread::yield_now();
                }
            });
        }
    }

    /// Threads that call at the same time wait for each other.
    #[test]
    fn serves_several_callers() {
        let pool = ThreadPool::new(2).unwrap();
        thread::scope(|scope| {
            for caller in 0..3_usize {
                let pool = &pool;
                scope.spawn(move || {
                    for items in 0..500 {
                        let sum = AtomicUsize::new(0);
                        pool.run(items, |item| {
                            sum.fetch_add(item + caller, Ordering::Relaxed);
                        });
                        let expected = items * items.saturating_sub(1) / 2 + items * caller;
                        assert_eq!(sum.into_inner(), expected);
                    }
                });
            }
        });
    }

    /// A panic in a task, on whatever thread, comes out of `run` with its message, after all other tasks have run;
    /// the pool works afterwards.
    #[test]
    fn a_panic_reaches_the_caller_and_leaves_the_pool_usable() {
        for threads in 1..=3 {
            let pool = ThreadPool::new(threads).unwrap();
            for bad in [0, 7, 15] {
                let run = AtomicUsize::new(0);
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    pool.run(16, |item| {
                        assert!(item != bad, "item {item} is bad");
                        run.fetch_add(1, Ordering::Relaxed);
                    });
                }));
                let payload = panicked.unwrap_err();
                assert_eq!(*payload.downcast::<String>().unwrap(), format!("item {bad} is bad"));
                assert!(threads == 1 || run.into_inner() >= 12, "only the tasks of one turn are left out");
                let sum = AtomicUsize::new(0);
                pool.run(100, |item| {
                    sum.fetch_add(item, Ordering::Relaxed);
                });
                assert_eq!(sum.into_inner(), 4950);
            }
        }
    }

    /// A panic of a thread of the pool, while the caller does something else.
    #[test]
    fn a_panic_of_another_thread_reaches_the_caller() {
        let pool = ThreadPool::new(2).unwrap();
        let caller = thread::current().id();
        let both = AtomicUsize::new(0);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.run(2, |_| {
                both.fetch_add(1, Ordering::Relaxed);
                while both.load(Ordering::Relaxed) < 2 {
                    thread::yield_now();
                }
                assert!(thread::current().id() == caller, "not the caller");
            });
        }));
        assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "not the caller");
    }

    /// Each item is taken over once, also where there is one thread or one item.
    #[test]
    fn items_are_taken_over() {
        for (threads, count) in [(1, 5), (3, 0), (3, 1), (3, 50)] {
            let mut squares = vec![0; count];
            let pool = ThreadPool::new(threads).unwrap();
            pool.run_each(squares.iter_mut().enumerate(), |(index, square)| *square += index * index);
            assert!(squares.iter().enumerate().all(|(index, &square)| square == index * index));
        }
    }

    #[test]
    fn chunks_are_written_once_and_the_last_may_be_shorter() {
        let pool = ThreadPool::new(3).unwrap();
        let mut numbers = [0; 23];
        pool.run_chunks(&mut numbers, 5, |index, chunk| {
            assert_eq!(chunk.len(), if index == 4 { 3 } else { 5 });
            chunk.iter_mut().for_each(|number| *number += index + 1);
        });
        for (index, chunk) in numbers.chunks(5).enumerate() {
            assert!(chunk.iter().all(|&number| number == index + 1));
        }
        pool.run_chunks(&mut numbers[..0], 5, |_, _| panic!("there is no chunk"));
    }
}
