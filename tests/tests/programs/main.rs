//! End-to-end tests of the built programs: a user's commands, servers and failures.
//!
//! One binary, so that its modules are linked once and share the models that [`e2e::trained`] and
//! [`e2e::workbench`] train. To add a file of tests, put it into this folder and its name below. Tests run beside each
//! other in one process: one that changes what belongs to the process, such as its environment, its limits or its
//! allocator, is a file of its own in the folder above instead.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

mod api;
mod automatic;
mod bad_input;
mod chat;
mod clients;
mod commands;
mod demo_text;
mod determinism;
mod devices;
mod external_data;
mod failures;
mod finetune;
mod formats;
mod frozen;
mod padded;
mod page;
mod publish_killed;
mod remote;
mod resume;
mod served_chat;
mod serving;
mod sign_in;
mod system;
mod texts;
mod tokenizers;
