//! Which model is served: loaded when the process starts, and swapped when the channel names another.
//!
//! Loading goes on beside everything else. A new version is loaded and verified beside the one that is
//! served, and takes its place at once; requests that have begun keep the one they began with. A version
//! that cannot be loaded is left alone from then on, and the old one goes on serving.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};
use arc_swap::ArcSwapOption;
use artifact::manifest::Precision;
use store::{ModelVersion, Store, StoreError, VersionRef};
use tokio::sync::watch;

use crate::error::ApiError;
use crate::gate::Deadline;
use crate::response::{LoadStep, Loading};
use crate::served_model::ServedModel;
use crate::telemetry;

/// Where the model comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The location of the store.
    pub store: String,
    /// The channel that names the version; unless one is pinned.
    pub channel: String,
    /// A version that is served whatever the channel names.
    pub pinned: Option<Pinned>,
    /// The precision; by default the fastest that the version has.
    pub precision: Option<Precision>,
    /// Where what is downloaded is kept.
    pub cache: PathBuf,
    /// How often, at most, the channel is read again.
    pub check_interval: Duration,
}

/// A version by name: `NAME/VERSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    name: String,
    version: String,
}

impl std::str::FromStr for Pinned {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                Ok(Self { name: name.to_owned(), version: version.to_owned() })
            }
            _ => Err("expected NAME/VERSION, as `gpt models` lists them"),
        }
    }
}

/// The model that is served.
pub struct Models {
    source: Source,
    /// When the process started.
    started: Instant,
    current: ArcSwapOption<ServedModel>,
    state: Mutex<State>,
    /// Counts attempts that have ended.
    attempts: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Connections, kept between checks.
    store: Option<Store>,
    checking: bool,
    step: LoadStep,
    /// From the start of the process to the model that is served, if it was there at the first attempt.
    cold_start: Option<Duration>,
    last_check: Option<Instant>,
    /// The version that could not be loaded.
    refused: Option<VersionRef>,
    /// Why nothing is served, while nothing is.
    failure: Option<Arc<Error>>,
}

impl Models {
    /// Serves what `source` names, as soon as it is loaded: see [`check`](Self::check). The process `started`
    /// then.
    pub fn new(source: Source, started: Instant) -> Arc<Self> {
        Arc::new(Self {
            source,
            started,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            attempts: watch::Sender::new(0),
        })
    }

    /// The model that is served, if one is loaded.
    pub fn current(&self) -> Option<Arc<ServedModel>> {
        self.current.load_full()
    }

    /// Why nothing is served, if that is known.
    pub fn failure(&self) -> Option<Arc<Error>> {
        self.state().failure.clone()
    }

    /// The same, in words for everybody; none while another attempt is under way.
    pub fn public_failure(&self) -> Option<&'static str> {
        let state = self.state();
        if state.checking { None } else { state.failure.as_deref().map(public_reason) }
    }

    /// What loading does at the moment.
    pub fn loading(&self) -> Loading {
        let state = self.state();
        let time = state.last_check.map_or(Duration::ZERO, |start| start.elapsed());
        Loading { step: state.step, seconds: (time.as_secs_f64() * 10.0).round() / 10.0 }
    }

    /// How long it took from the start of the process to the model that is served; none if there was
    /// another before, or a wait for one.
    pub fn cold_start(&self) -> Option<Duration> {
        self.state().cold_start
    }

    /// The model that a request begins with. Waits while it is being loaded, and has the channel read
    /// again if that is due.
    ///
    /// # Errors
    /// [`ApiError::Loading`] if it is not loaded in time, [`ApiError::NoModel`] if it cannot be.
    pub async fn get(self: &Arc<Self>, deadline: Deadline) -> Result<Arc<ServedModel>, ApiError> {
        let mut attempts = self.attempts.subscribe();
        self.check();
        loop {
            if let Some(model) = self.current() {
                return Ok(model);
            }
            attempts.borrow_and_update();
            if let Some(reason) = self.public_failure() {
                return Err(ApiError::NoModel { reason });
            }
            match tokio::time::timeout_at(deadline.0.into(), attempts.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(ApiError::Loading),
            }
        }
    }

    /// Waits until an attempt ends, if one is under way, but not for longer than `patience`.
    pub async fn settle(&self, patience: Duration) {
        let mut attempts = self.attempts.subscribe();
        if self.state().checking {
            let _ = tokio::time::timeout(patience, attempts.changed()).await;
        }
    }

    /// Begins to load what should be served, if that is not known to be what is, and if the last check is
    /// long enough ago. Returns at once.
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
            // In a task of its own, so that a panic too ends the attempt.
            let attempt = Arc::clone(&models);
            let result = tokio::spawn(async move { attempt.update().await }).await;
            models.conclude(result.unwrap_or_else(|panic| Err(anyhow!("loading the model: {panic}"))));
        });
    }

    /// Waits for the first attempt to end.
    ///
    /// # Errors
    /// Why nothing can be served.
    pub async fn first_attempt(self: &Arc<Self>) -> Result<Arc<ServedModel>, Arc<Error>> {
        let mut attempts = self.attempts.subscribe();
        self.check();
        // The sender lives as long as this.
        let _ = attempts.wait_for(|&attempts| attempts > 0).await;
        self.current()
            .ok_or_else(|| self.failure().unwrap_or_else(|| Arc::new(anyhow!("nothing was loaded"))))
    }

    /// Forgets connections and when the channel was read last: in a copy of a process, which may be
    /// restored much later, neither is of use.
    pub fn forget_connections(&self) {
        let mut state = self.state();
        state.store = None;
        state.last_check = None;
    }

    /// Whether what should be served is; `false` if it is a version that has been refused.
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
        // Room for the next one; requests that run the old one have its files open.
        if let Err(error) = version.remove_others(&self.source.cache) {
            tracing::warn!(%error, "files of an earlier version are left");
        }
        Ok(true)
    }

    /// Remembers a version that is not what it should be; unless that may pass, as what a network or a disk
    /// does, or files that are not there yet.
    fn refuse(&self, version: &VersionRef, error: &Error) {
        let may_pass = matches!(
            error.downcast_ref::<StoreError>(),
            Some(
                StoreError::S3 { .. }
                    | StoreError::Io { .. }
                    | StoreError::NoSpace { .. }
                    | StoreError::NoVersion { .. }
            )
        );
        if !may_pass {
            self.state().refused = Some(version.clone());
        }
    }

    async fn load(&self, version: ModelVersion) -> Result<ServedModel> {
        let start = Instant::now();
        let step = |step| self.state().step = step;
        let loaded = ServedModel::load(version, self.source.precision, &self.source.cache, step).await?;
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
            Ok(false) => {} // the reason is still the same
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

/// Why there is no model, without names of places.
fn public_reason(error: &Error) -> &'static str {
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::NoChannel { .. }) => "its channel names none yet",
        Some(StoreError::NoVersion { .. } | StoreError::NoFile { .. }) => "its files are missing",
        Some(StoreError::S3 { .. }) => "the store does not give it out",
        Some(StoreError::NoSpace { .. }) => "there is no room for its files",
        Some(_) => "its files are damaged, or of another version of this program",
        None => "it cannot be loaded",
    }
}
