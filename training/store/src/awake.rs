//! Timers that count time awake, for a process that is stopped now and then.
//!
//! Lambda freezes a function between requests, and `SIGSTOP` stops any process, while its clocks go on: a timer of the
//! usual kind has run out when the process goes on, before it could do anything. Here a time is slept in naps. A nap
//! in which the process was stopped counts as one nap, however long it took.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The longest nap, and the time that a freeze counts as.
const NAP: Duration = Duration::from_millis(50);
/// A nap that took longer than this was a freeze.
const FREEZE: Duration = Duration::from_secs(1);
/// Naps that a connection gets after a freeze to bring something: the other end may have closed it meanwhile, and
/// nothing tells of that while this end only waits.
const NAPS_TO_RECOVER: usize = 6;
/// How often what a freeze has broken is tried again before its failure counts.
const MOST_FREEZES: usize = 20;

/// Sleeps for a time awake.
pub async fn sleep(time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let nap = left.min(NAP);
        tokio::time::sleep(nap).await;
        left -= nap;
    }
}

/// The output of `future`, or `None` if it is not there after a time awake of `limit`.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        // The first: after a freeze both may be ready.
        biased;
        output = future => Some(output),
        () = sleep(limit) => None,
    }
}

/// Runs what uses the network until it ends without a freeze on its clock. What a freeze has broken is tried again at
/// once; that is nobody's failure.
///
/// # Errors
/// Of an attempt that no freeze has interrupted, or of the last one after very many of them.
pub async fn undisturbed<T, E, F: Future<Output = Result<T, E>>>(
    mut attempt: impl FnMut(Arc<Clock>) -> F,
) -> Result<T, E> {
    let mut freezes = 0;
    loop {
        let clock = Arc::new(Clock::start());
        // In a box: futures of the SDK inside futures of several layers are large types for the compiler.
        match Box::pin(attempt(Arc::clone(&clock))).await {
            Err(_) if clock.has_frozen() && freezes < MOST_FREEZES => freezes += 1,
            result => return result,
        }
    }
}

/// Stopwatch of time awake. It has to [run](Self::run) to notice a freeze.
#[derive(Debug)]
pub struct Clock(Mutex<Ticks>);

#[derive(Debug)]
struct Ticks {
    /// Until the last tick.
    awake: Duration,
    freezes: usize,
    last: Moment,
}

/// A time by both clocks: after a freeze of a virtual machine one of them may have stood still.
#[derive(Clone, Copy, Debug)]
struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    fn elapsed(&self) -> Duration {
        self.steady.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

impl Clock {
    /// A clock at zero.
    pub fn start() -> Self {
        Self(Mutex::new(Ticks { awake: Duration::ZERO, freezes: 0, last: Moment::now() }))
    }

    /// Time awake since the start.
    pub fn elapsed(&self) -> Duration {
        let ticks = self.ticks();
        ticks.awake + counted(ticks.last.elapsed())
    }

    /// Whether the process has been stopped while the clock ran.
    pub fn has_frozen(&self) -> bool {
        self.ticks().freezes > 0
    }

    /// The output of `future`, with this clock running meanwhile.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let output = tokio::select! {
            biased;
            output = future => output,
            never = self.keep_ticking() => match never {},
        };
        self.tick();
        output
    }

    /// What `future` receives from a connection, with this clock running meanwhile; `None` if nothing came soon after a
    /// freeze.
    pub async fn receive<F: Future>(&self, future: F) -> Option<F::Output> {
        let output = tokio::select! {
            biased;
            output = future => Some(output),
            () = self.tick_past_freeze() => None,
        };
        self.tick();
        output
    }

    async fn keep_ticking(&self) -> Infallible {
        loop {
            tokio::time::sleep(NAP).await;
            self.tick();
        }
    }

    /// Ticks until a freeze is some naps ago.
    async fn tick_past_freeze(&self) {
        let mut left = usize::MAX;
        while left > 0 {
            tokio::time::sleep(NAP).await;
            left = if self.tick() { left.min(NAPS_TO_RECOVER) } else { left - 1 };
        }
    }

    /// Counts the time since the last tick; whether that was a freeze.
    fn tick(&self) -> bool {
        let mut ticks = self.ticks();
        let time = ticks.last.elapsed();
        let froze = time > FREEZE;
        ticks.awake += counted(time);
        ticks.freezes += usize::from(froze);
        ticks.last = Moment::now();
        froze
    }

    fn ticks(&self) -> MutexGuard<'_, Ticks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a time between two ticks the process was awake.
fn counted(time: Duration) -> Duration {
    if time > FREEZE { NAP } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stops this thread, and with it the runtime of the test, as a freeze stops the process.
    fn freeze() {
        std::thread::sleep(FREEZE + NAP);
    }

    #[tokio::test]
    async fn a_freeze_takes_one_nap_of_a_time_limit() {
        let limit = Duration::from_millis(300);
        let finished = timeout(limit, async {
            tokio::task::yield_now().await;
            freeze(); // more than three times the limit, by the clock
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
        assert_eq!(finished.await, Some(()));
        assert_eq!(timeout(limit, std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_clock_counts_time_awake() {
        let clock = Clock::start();
        clock.run(tokio::time::sleep(2 * NAP)).await;
        assert!(!clock.has_frozen() && clock.elapsed() >= 2 * NAP);
        clock.run(async { freeze() }).await;
        assert!(clock.has_frozen() && clock.elapsed() < FREEZE, "{:?}", clock.elapsed());
    }

    #[tokio::test]
    async fn what_a_freeze_broke_is_tried_again_and_other_failures_count() {
        let mut attempts = 0;
        let result: Result<(), usize> = undisturbed(|clock| {
            attempts += 1;
            let attempt = attempts;
            async move {
                let connection = async {
                    tokio::task::yield_now().await;
                    match attempt {
                        1 => freeze(), // it breaks
                        2 => {
                            freeze();
                            std::future::pending().await // it is dead, and nothing tells of that
                        }
                        _ => {}
                    }
                };
                clock.receive(connection).await;
                Err(attempt)
            }
        })
        .await;
        assert_eq!(result, Err(3));
    }
}
