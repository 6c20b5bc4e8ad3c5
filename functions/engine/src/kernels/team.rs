//! Threads that share the tasks of operators.
//!
//! A token takes some sixty jobs of a few microseconds each. With ONNX Runtime's threads, a token of
//! two threads takes some 3 % longer than with these, which wait awake and see the next job at once.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::hint::spin_loop;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, ptr};

/// Tasks a thread gets, so that one that is held up leaves some to the others.
const TASKS_PER_THREAD: usize = 4;
/// How long a thread waits awake for its next task: within a run it comes sooner, and between requests nothing
/// should burn the processor.
const AWAKE: Duration = Duration::from_millis(1);
/// Looks for a task between two at the clock.
const LOOKS: usize = 64;

/// The thread that asks for something to be done, and others.
pub(super) struct Team {
    shared: Arc<Shared>,
    /// There is one job at a time.
    turn: Mutex<()>,
    members: Vec<Member>,
}

struct Member {
    sleeps: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Shared {
    open: Open,
    /// Turns of the job that are not over.
    unfinished: AtomicUsize,
    /// Written while there are none, read by those who have taken a turn.
    job: UnsafeCell<Job>,
    /// Whether there will be no more.
    ends: AtomicBool,
}

// SAFETY: `open` and `unfinished` say who may use `job` when; the pointers in it are handed over by `Team::run`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

#[derive(Clone, Copy)]
struct Job {
    /// Does a task of `tasks`.
    take: extern "C" fn(*const c_void, usize),
    tasks: *const c_void,
}

/// The turns that nobody has taken, `start..end`.
struct Open(AtomicU64);

impl Open {
    const ONE: u64 = 1;
    const ONE_AT_START: u64 = 1 << 32;

    fn turns(open: u64) -> Range<usize> {
        (open >> 32) as usize..open as u32 as usize
    }

    /// Opens `0..turns`.
    fn set(&self, turns: usize) {
        self.0.store(turns as u64, Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        Self::turns(self.0.load(Ordering::Relaxed)).is_empty()
    }

    fn take(&self, taken: impl Fn(u64) -> u64) -> Option<Range<usize>> {
        let before = self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, |open| {
            (!Self::turns(open).is_empty()).then(|| taken(open))
        });
        before.ok().map(Self::turns)
    }

    fn take_first(&self) -> Option<usize> {
        Some(self.take(|open| open + Self::ONE_AT_START)?.start)
    }

    fn take_last(&self) -> Option<usize> {
        Some(self.take(|open| open - Self::ONE)?.end - 1)
    }
}

impl Team {
    /// A team of so many threads, of which the one that calls [`run`](Self::run) is one.
    ///
    /// # Errors
    /// If there cannot be so many.
    pub(super) fn new(threads: usize) -> io::Result<Self> {
        extern "C" fn nothing(_: *const c_void, _: usize) {}
        let job = Job { take: nothing, tasks: ptr::null() };
        let shared = Shared {
            open: Open(AtomicU64::new(0)),
            unfinished: AtomicUsize::new(0),
            job: UnsafeCell::new(job),
            ends: AtomicBool::new(false),
        };
        let mut team = Self { shared: Arc::new(shared), turn: Mutex::default(), members: Vec::new() };
        for number in 1..threads {
            let (shared, sleeps) = (Arc::clone(&team.shared), Arc::<AtomicBool>::default());
            let of_thread = Arc::clone(&sleeps);
            let thread = thread::Builder::new().name(format!("kernels-{number}"));
            let thread = thread.spawn(move || take_part(&shared, &of_thread))?;
            team.members.push(Member { sleeps, thread });
        }
        Ok(team)
    }

    /// Calls `run` with each of `0..items`, neighbours rather on the same thread.
    pub(super) fn run<F: Fn(usize) + Sync>(&self, items: usize, run: F) {
        struct Tasks<F> {
            run: F,
            items: usize,
            count: usize,
            /// The other threads' share, which are the first ones.
            of_others: usize,
        }

        /// What panics in here ends the process: other threads may still use what the caller would drop.
        extern "C" fn take<F: Fn(usize)>(tasks: *const c_void, turn: usize) {
            // SAFETY: it is the pointer that is handed over below, to what outlives the job.
            let Tasks { run, items, count, of_others } = unsafe { &*tasks.cast::<Tasks<F>>() };
            // The caller takes turns from the last one down, but should read memory upwards as the others do.
            let task = if turn < *of_others { turn } else { count - 1 - (turn - of_others) };
            (task * items / count..(task + 1) * items / count).for_each(run);
        }

        if self.members.is_empty() || items <= 1 {
            (0..items).for_each(run);
            return;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let count = items.min(TASKS_PER_THREAD * (1 + self.members.len()));
        let of_others = count - count / (1 + self.members.len());
        let tasks = Tasks { run, items, count, of_others };
        let pointer = ptr::from_ref(&tasks).cast();
        let Shared { open, unfinished, job, .. } = &*self.shared;
        // SAFETY: no turn is open, and all that were taken are over: nobody else reads or writes it.
        unsafe { *job.get() = Job { take: take::<F>, tasks: pointer } };
        unfinished.store(count, Ordering::Relaxed);
        open.set(count);
        fence(Ordering::SeqCst); // a thread is seen to sleep here, or sees the turns before it does
        for member in self.members.iter().filter(|member| member.sleeps.load(Ordering::Relaxed)) {
            member.thread.thread().unpark();
        }
        while let Some(turn) = open.take_last() {
            take::<F>(pointer, turn);
            unfinished.fetch_sub(1, Ordering::Relaxed);
        }
        let mut looks = 0_usize;
        while unfinished.load(Ordering::Acquire) > 0 {
            looks += 1;
            // A thread that has no processor may need ours.
            if looks.is_multiple_of(LOOKS) { thread::yield_now() } else { spin_loop() }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        for member in self.members.drain(..) {
            member.thread.thread().unpark();
            let _ = member.thread.join(); // it has nothing to say
        }
    }
}

/// What a thread other than the caller's does until the team is dropped.
fn take_part(shared: &Shared, sleeps: &AtomicBool) {
    let mut looks = 0_usize;
    let mut waits_since = Instant::now();
    while !shared.ends.load(Ordering::Relaxed) {
        if let Some(turn) = shared.open.take_first() {
            // SAFETY: it was written before the turn was opened, and will not be again before it is over.
            let job = unsafe { *shared.job.get() };
            (job.take)(job.tasks, turn);
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
            let team = Team::new(threads).unwrap();
            for round in 0..400_usize {
                let items = round % 97;
                let taken: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                team.run(items, |item| {
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
        let team = Team::new(threads).unwrap();
        for pause in [Duration::ZERO, 5 * AWAKE] {
            thread::sleep(pause);
            let begun = AtomicUsize::new(0);
            team.run(threads, |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                while begun.load(Ordering::Relaxed) < threads {
                    thread::yield_now();
                }
            });
        }
    }

    /// Those who call at the same time have their turns.
    #[test]
    fn serves_several_callers() {
        let team = Team::new(2).unwrap();
        thread::scope(|scope| {
            for caller in 0..3_usize {
                let team = &team;
                scope.spawn(move || {
                    for items in 0..500 {
                        let sum = AtomicUsize::new(0);
                        team.run(items, |item| {
                            sum.fetch_add(item + caller, Ordering::Relaxed);
                        });
                        let expected = items * items.saturating_sub(1) / 2 + items * caller;
                        assert_eq!(sum.into_inner(), expected);
                    }
                });
            }
        });
    }
}
