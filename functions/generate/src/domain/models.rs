//! Served model: loaded at the start, and swapped when the channel names another version.
//!
//! Loading runs in the background. A new version is loaded and verified beside the one that is served and
//! then replaces it; requests that have begun keep the one they began with. A version that cannot be loaded
//! is not tried again, and the old one stays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};
use arc_swap::ArcSwapOption;
use store::{ModelVersion, Store, VersionRef};
use tokio::sync::watch;

use super::error::GenerateError;
use super::load_failure::{is_transient, public_reason};
use super::progress::{LoadStep, Progress};
use super::served_model::ServedModel;
use super::source::{Pinned, Source};
use super::telemetry;

/// The served model, and the background task that loads the next one.
pub struct Models {
    source: Source,
    /// Start of the process.
    started: Instant,
    current: ArcSwapOption<ServedModel>,
    state: Mutex<State>,
    /// Number of attempts to load that have ended.
    attempts: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Open connections, kept between checks.
    store: Option<Store>,
    checking: bool,
    step: LoadStep,
    /// From the start of the process to the served model, if the first attempt loaded it.
    cold_start: Option<Duration>,
    last_check: Option<Instant>,
    /// A version that could not be loaded and is not tried again.
    refused: Option<VersionRef>,
    /// Why the last attempt failed, while no model is served.
    failure: Option<Arc<Error>>,
}

impl Models {
    /// No model yet: [`check`](Self::check) starts to load the one that `source` names. `started` is the start
    /// of the process.
    pub fn new(source: Source, started: Instant) -> Arc<Self> {
        Arc::new(Self {
            source,
            started,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            attempts: watch::Sender::new(0),
        })
    }

    /// The served model, if one is loaded.
    pub fn current(&self) -> Option<Arc<ServedModel>> {
        self.current.load_full()
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
            elapsed: state.last_check.map_or(Duration::ZERO, |start| start.elapsed()),
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
        let mut attempts = self.attempts.subscribe();
        self.check();
        loop {
            if let Some(model) = self.current() {
                return Ok(model);
            }
            attempts.borrow_and_update();
            if let Some(reason) = self.public_failure() {
                return Err(GenerateError::NoModel { reason });
            }
            match tokio::time::timeout_at(deadline.into(), attempts.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(GenerateError::Loading),
            }
        }
    }

    /// Waits until the current attempt to load ends, if there is one, for at most `limit`.
    pub async fn settle(&self, limit: Duration) {
        let mut attempts = self.attempts.subscribe();
        if self.state().checking {
            let _ = tokio::time::timeout(limit, attempts.changed()).await;
        }
    }

    /// Starts to look for another version and to load it, unless the last look was within the check interval
    /// or a pinned version is served. Returns at once.
    pub fn check(self: &Arc<Self>) {
        let mut state = self.state();
        let is_due = state.last_check.is_none_or(|last| last.elapsed() >= self.source.check_interval);
        let is_settled = self.source.pinned.is_some() && self.current.load().is_some();
        if state.checking || !is_due || is_settled {
            return;
        }
        state.checking = true;
        state.step = LoadStep::default();
        state.last_check = Some(Instant::now());
        drop(state);
        let models = Arc::clone(self);
        tokio::spawn(async move {
            // In a task of its own, so that the attempt ends even if it panics.
            let attempt = Arc::clone(&models);
            let result = tokio::spawn(async move { attempt.update().await }).await;
            models.conclude(result.unwrap_or_else(|panic| Err(anyhow!("loading the model: {panic}"))));
        });
    }

    /// Waits for the first attempt to load a model.
    ///
    /// # Errors
    /// The reason, if it fails.
    pub async fn first_attempt(self: &Arc<Self>) -> Result<Arc<ServedModel>, Arc<Error>> {
        let mut attempts = self.attempts.subscribe();
        self.check();
        // The channel cannot close: the sender is a field of `self`.
        let _ = attempts.wait_for(|&attempts| attempts > 0).await;
        self.current()
            .ok_or_else(|| self.failure().unwrap_or_else(|| Arc::new(anyhow!("nothing was loaded"))))
    }

    /// Closes connections and makes the next check due: in a copy of the process that is restored later, the
    /// connections are dead and the channel may name another version.
    pub fn forget_connections(&self) {
        let mut state = self.state();
        state.store = None;
        state.last_check = None;
    }

    /// Loads the wanted version, unless it is served already. `false` if it is a version that was refused
    /// before.
    async fn update(&self) -> Result<bool> {
        let store = self.store().await?;
        let version = match &self.source.pinned {
            Some(Pinned { name, version }) => store.find_version(name, version).await?,
            None => {
                let wanted = store.channel(&self.source.channel).await?.current;
                let is_served =
                    self.current.load().as_ref().is_some_and(|model| model.reference() == &wanted);
                let is_refused = self.state().refused.as_ref() == Some(&wanted);
                if is_served || is_refused {
                    return Ok(is_served);
                }
                let opened = store.open_version(&wanted).await.map_err(Error::from);
                opened.inspect_err(|error| self.refuse(&wanted, error))?
            }
        };
        let loaded = self.load(version.clone()).await;
        let model = loaded.inspect_err(|error| self.refuse(&version.reference, error))?;
        let is_first = *self.attempts.borrow() == 0;
        self.state().cold_start = is_first.then(|| self.started.elapsed());
        if let Some(time) = self.cold_start() {
            telemetry::cold_start(time);
        }
        self.current.store(Some(Arc::new(model)));
        // Frees disk space for the next version; requests that still run the old one have its files open.
        if let Err(error) = version.remove_others(&self.source.cache) {
            tracing::warn!(%error, "files of an earlier version are left");
        }
        Ok(true)
    }

    /// Remembers a version that cannot be loaded, unless the error is transient.
    fn refuse(&self, version: &VersionRef, error: &Error) {
        if !is_transient(error) {
            self.state().refused = Some(version.clone());
        }
    }

    async fn load(&self, version: ModelVersion) -> Result<ServedModel> {
        let start = Instant::now();
        let step = |step| self.state().step = step;
        let loaded = ServedModel::load(version, &self.source, step).await?;
        telemetry::model_loaded(&loaded, start.elapsed());
        Ok(loaded)
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
        let mut state = self.state();
        state.checking = false;
        match result {
            Ok(true) => state.failure = None,
            Ok(false) => {} // the failure is still the same
            Err(error) => {
                let serving = self.current().map(|model| model.reference().to_string());
                tracing::error!(error = format!("{error:#}"), serving, "the model could not be loaded");
                telemetry::load_failed();
                state.failure = Some(Arc::new(error));
            }
        }
        drop(state);
        self.attempts.send_modify(|attempts| *attempts += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
