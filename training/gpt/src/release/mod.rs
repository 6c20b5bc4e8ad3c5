//! Model release: a trained or imported model becomes a published version, and perhaps the one served.
//!
//! In the order in which they are used:
//!
//! - [`source`]: models to start from, in a store or a file of weights;
//! - [`naming`]: names of models and of their versions;
//! - [`plan`]: a training run's settings and texts, checked before it begins, and its [`forecast`];
//! - [`export`]: the ONNX files, one for each precision, with calibration windows for quantization;
//! - [`evaluation`] and [`judgement`]: loss of the model and its exports, and how far they differ ([`divergence`]);
//! - [`publication`]: weights, exports and manifest into a store, all at once;
//! - [`trained`] and [`report`]: the release of a model that was trained here, with `report.html`;
//! - [`respondent`]: a model as one that is asked, in the precision that is served;
//! - [`gate`] and [`promotion`]: the thresholds, and the channel that names the version if it meets them, with the
//!   [`cause`]. A channel is what other model registries call an alias.

pub mod cause;
pub mod divergence;
pub mod error;
pub mod evaluation;
pub mod export;
pub mod forecast;
pub mod gate;
pub mod judgement;
pub mod naming;
pub mod plan;
pub mod promotion;
pub mod publication;
pub mod report;
pub mod respondent;
pub mod source;
pub mod trained;

pub use error::ReleaseError;
pub use forecast::Forecast;
pub use gate::Gate;
pub use judgement::{Judgement, ValidationText};
pub use plan::TrainingPlan;
pub use promotion::{Decision, Outcome, Promotion, TaskScores};
pub use publication::Release;
pub use source::{ModelSource, ModelSpec};
