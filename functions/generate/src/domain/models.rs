//! Served model: loaded at the start, and swapped when the channel names another version.
//!
//! Loading runs in the background. A new version is loaded and verified beside the one that is served and
//! then replaces it; requests that have begun keep the one they began with. A version that cannot be loaded
//! is not tried again, one that may load later is, with back-off ([`BackOff`]), and the old one stays meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};
use arc_swap::ArcSwapOption;
use store::awake::Clock;
use store::{Lease, Store};

use super::attempts::Attempts;
use super::back_off::{BackOff, pause};
use super::challenger::Challenger;
use super::error::GenerateError;
use super::load_failure::{may_pass, public_reason};
use super::progress::{LoadStep, Progress};
use super::served_model::ServedModel;
use super::source::Source;
use super::telemetry;
use super::wanted::Wanted;

/// The served model, and the background task that loads the next one.
pub struct Models {
    source: Source,
    /// Start of the process.
    started: Instant,
    current: ArcSwapOption<ServedModel>,
    challenger: Option<Challenger>,
    state: Mutex<State>,
    attempts: Attempts,
}

#[derive(Default)]
struct State {
    /// Open connections, kept between checks.
    store: Option<Store>,
    checking: bool,
    step: LoadStep,
    /// Time awake since the current or last attempt began.
    clock: Option<Arc<Clock>>,
    /// From the start of the process to the served model, awake, if the first attempt loaded it.
    cold_start: Option<Duration>,
    /// When the channel is due to be read; at once, if there is none.
    next_check: Option<Instant>,
    /// Attempts that have failed in a row.
    failures: u32,
    /// A version that could not be loaded.
    back_off: Option<BackOff<Wanted>>,
    /// Why the last attempt failed, while no model is served.
    failure: Option<Arc<Error>>,
    /// Keeps other processes from removing the files of the served version.
    lease: Option<Lease>,
}

impl Models {
    /// No model yet: [`check`](Self::check) starts to load the one that `source` names. `started` is the start
    /// of the process.
    pub fn new(source: Source, started: Instant) -> Arc<Self> {
        let challenge = source.challenger.as_ref();
        Arc::new(Self {
            challenger: challenge.map(|challenge| Challenger::new(&source, challenge, started)),
            source,
            started,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            attempts: Attempts::default(),
        })
    }

    /// The served model, if one is loaded.
    pub fn current(&self) -> Option<Arc<ServedModel>> {
        self.current.load_full()
    }

    /// All models that requests can reach: the served one first.
    pub fn all(&self) -> Vec<Arc<ServedModel>> {
        let challenger = self.challenger.as_ref().and_then(Challenger::current);
        let mut all: Vec<_> = self.current().into_iter().chain(challenger).collect();
        all.dedup_by_key(|model| model.id());
        all
    }

    /// Why the last attempt failed, while no model is served.
    pub fn failure(&self) -> Option<Arc<Error>> {
        self.state().failure.clone()
    }

    /// The same without names of places; `None` while another attempt runs.
    pub fn public_failure(&self) -> Option<&'static str> {
        let state = self.state();
        if state.checking { None } else { state.failure.as_deref().map(public_reason) }
    }

    /// How far the current load is.
    pub fn progress(&self) -> Progress {
        let state = self.state();
        Progress {
            step: state.step,
            elapsed: state.clock.as_ref().map_or(Duration::ZERO, |clock| clock.elapsed()),
        }
    }

    /// From the start of the process to the served model; `None` if the first attempt loaded none, or another
    /// model has replaced it.
    pub fn cold_start(&self) -> Option<Duration> {
        self.state().cold_start
    }

    /// The served model. Waits while the first one is loaded, and has the channel read again if that is due.
    ///
    /// The wait is bounded here rather than by a layer of timeouts, since it ends with an error of its own.
    ///
    /// # Errors
    /// [`GenerateError::Loading`] if it is not loaded by the deadline, [`GenerateError::NoModel`] if it
    /// cannot be.
    pub async fn get(self: &Arc<Self>, deadline: Instant) -> Result<Arc<ServedModel>, GenerateError> {
        self.check();
        let answer = || match self.current() {
            Some(model) => Some(Ok(model)),
            None => self.public_failure().map(|reason| Err(GenerateError::NoModel { reason })),
        };
        let answered = tokio::time::timeout_at(deadline.into(), self.attempts.find(answer));
        answered.await.unwrap_or(Err(GenerateError::Loading))
    }

    /// The model that answers a request: the served one, or the challenger's.
    ///
    /// # Errors
    /// As of [`get`](Self::get), or if neither has the name that the request wants.
    pub async fn choose(
        self: &Arc<Self>,
        wanted: Option<&str>,
        deadline: Instant,
    ) -> Result<Arc<ServedModel>, GenerateError> {
        let served = self.get(deadline).await?;
        if let Some(model) = self.challenger.as_ref().and_then(|challenger| challenger.takes(wanted, &served))
        {
            return Ok(model);
        }
        match wanted.filter(|wanted| !served.is_named(wanted)) {
            Some(wanted) => {
                Err(GenerateError::UnknownModel { model: wanted.to_owned(), served: served.id() })
            }
            None => Ok(served),
        }
    }

    /// Waits until the current attempt to load ends, if there is one, for at most `limit` by the clock.
    pub async fn settle(&self, limit: Duration) {
        self.attempts.settle(limit, || self.state().checking).await;
    }

    /// Starts to look for another version and to load it, unless the last look was within the check interval
    /// or a pinned version is served. Returns at once.
    pub fn check(self: &Arc<Self>) {
        if let Some(challenger) = &self.challenger {
            challenger.check();
        }
        let mut state = self.state();
        let is_due = state.next_check.is_none_or(|next| next <= Instant::now());
        let is_settled = self.source.pinned.is_some() && self.current.load().is_some();
        if state.checking || !is_due || is_settled {
            return;
        }
        let clock = Arc::new(Clock::start());
        state.checking = true;
        state.step = LoadStep::default();
        state.clock = Some(Arc::clone(&clock));
        drop(state);
        let models = Arc::clone(self);
        tokio::spawn(async move {
            // In a task of its own, so that the attempt ends even if it panics.
            let attempt = Arc::clone(&models);
            let started = models.started.elapsed();
            let result = tokio::spawn(async move { clock.run(attempt.update(started, &clock)).await }).await;
            models.conclude(result.unwrap_or_else(|panic| Err(anyhow!("loading the model: {panic}"))));
        });
    }

    /// Waits for the first attempt to load a model.
    ///
    /// # Errors
    /// The reason, if it fails.
    pub async fn first_attempt(self: &Arc<Self>) -> Result<Arc<ServedModel>, Arc<Error>> {
        self.check();
        self.attempts.first().await;
        self.current()
            .ok_or_else(|| self.failure().unwrap_or_else(|| Arc::new(anyhow!("nothing was loaded"))))
    }

    /// Closes connections and makes the next check due: in a copy of the process that is restored later, the
    /// connections are dead and the channel may name another version.
    pub fn forget_connections(&self) {
        if let Some(challenger) = &self.challenger {
            challenger.forget_connections();
        }
        let mut state = self.state();
        state.store = None;
        state.next_check = None;
    }

    /// Loads the wanted version, unless it is served already; `started` is the time from the start of the process to
    /// this attempt. `false` if it is a version that failed before and is not due.
    async fn update(&self, started: Duration, clock: &Clock) -> Result<bool> {
        let store = self.store().await?;
        let wanted = Wanted::now(&self.source, &store).await?;
        if self.current().is_some_and(|model| wanted.is(model.reference())) {
            return Ok(true);
        }
        if self.state().back_off.as_ref().is_some_and(|failed| !failed.allows(&wanted)) {
            return Ok(false);
        }
        let replaced = self.replace(&store, &wanted, started, clock).await;
        let serving = self.current.load().is_some();
        let mut state = self.state();
        state.back_off = match &replaced {
            Ok(()) => None,
            Err(error) => {
                let before = state.back_off.take();
                Some(BackOff::after(before, wanted, may_pass(error), serving, self.source.check_interval))
            }
        };
        replaced.map(|()| true)
    }

    /// Loads a version and serves it from now on.
    async fn replace(&self, store: &Store, wanted: &Wanted, started: Duration, clock: &Clock) -> Result<()> {
        let version = wanted.open(store).await?;
        if let Some(keys) = &self.source.trusted_keys {
            version.verify_signature(keys).await?;
        }
        let lease = version.lease(&self.source.cache)?;
        let start = clock.elapsed();
        let step = |step| self.state().step = step;
        let model = ServedModel::load(version.clone(), &self.source, clock, step).await?;
        telemetry::model_loaded(&model, clock.elapsed() - start);
        self.state().cold_start = self.attempts.is_first().then(|| started + clock.elapsed());
        if let Some(time) = self.cold_start() {
            telemetry::cold_start(time);
        }
        self.current.store(Some(Arc::new(model)));
        self.state().lease = lease;
        // Frees disk space for the next version; requests that still run the old one have its files open.
        if let Err(error) = version.remove_others(&self.source.cache) {
            tracing::warn!(%error, "files of an earlier version are left");
        }
        Ok(())
    }

    async fn store(&self) -> Result<Store> {
        if let Some(store) = &self.state().store {
            return Ok(store.clone());
        }
        let store = Store::open(&self.source.store).await?;
        self.state().store = Some(store.clone());
        Ok(store)
    }

    fn conclude(&self, result: Result<bool>) {
        let serving = self.current();
        let mut state = self.state();
        state.checking = false;
        state.failures = if result.is_err() { state.failures.saturating_add(1) } else { 0 };
        let interval = self.source.check_interval;
        // A model that is missing is looked for sooner.
        let wait = if result.is_err() && serving.is_none() {
            pause(state.failures, false, interval)
        } else {
            interval
        };
        state.next_check = Some(Instant::now() + wait);
        match result {
            Ok(true) => state.failure = None,
            Ok(false) => {} // the failure is still the same
            Err(error) => {
                let serving = serving.map(|model| model.reference().to_string());
                tracing::error!(error = format!("{error:#}"), serving, "the model could not be loaded");
                telemetry::load_failed();
                state.failure = Some(Arc::new(error));
            }
        }
        drop(state);
        self.attempts.end();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
