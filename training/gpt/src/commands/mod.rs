//! The commands of `gpt`, one file each, and the arguments that several of them share.
//!
//! - `model_argument`: a model in a store or a file of weights;
//! - `corpus_arguments`: texts;
//! - `device_argument`: the CPU or a GPU;
//! - `store_arguments`: a store, a channel and the promotion gate.
//!
//! `training_job` is what `train` does.

pub mod automatic;
pub mod chat;
pub mod corpus_arguments;
pub mod device_argument;
pub mod evaluate;
pub mod export;
pub mod finetune;
pub mod import;
pub mod model_argument;
pub mod models;
pub mod presets;
pub mod promote;
pub mod prune;
pub mod publish;
pub mod rollback;
pub mod run_arguments;
pub mod sample;
pub mod sign;
pub mod store_arguments;
pub mod tokenizer;
pub mod train;
pub mod training_job;
pub mod worker;
