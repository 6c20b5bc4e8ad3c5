//! Configurations of the benchmark: runtimes, precisions, one thread and two.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use artifact::manifest::Variant;
use artifact::{Manifest, draft};
use e2e::bench::{Peer, cores, python};
use serde::Serialize;

use crate::MEASURE;
use crate::run::Measurement;

/// A way to run the model: name, Python module in `tests/peers` (`None` is our engine), variant, whether it
/// drafts.
type Way = (&'static str, Option<&'static str>, &'static str, bool);

/// In the order in which they are measured: those that are compared close together.
const WAYS: [Way; 11] = [
    ("ours", None, "w4", false),
    ("ours", None, "w4", true),
    ("llama.cpp", Some("llama_cpp"), "q4_0", false),
    ("ours", None, "w8", false),
    ("ours", None, "w8", true),
    ("llama.cpp", Some("llama_cpp"), "q8_0", false),
    ("CTranslate2", Some("ctranslate2_int8"), "int8", false),
    ("ours", None, "float32", false),
    ("ours", None, "float32", true),
    ("PyTorch", Some("pytorch"), "cached", false),
    ("PyTorch", Some("pytorch"), "uncached", false),
];

/// A way to run the model on a number of threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configuration {
    /// The runtime, its variant, and whether it drafts.
    pub name: String,
    pub threads: usize,
    module: Option<&'static str>,
    /// The folder of a peer's programs.
    programs: Option<PathBuf>,
    pub variant: &'static str,
    pub draft: bool,
}

impl Configuration {
    fn new((runtime, module, variant, draft): Way, threads: usize) -> Self {
        let name = format!("{runtime} {variant}{}", if draft { ", drafting" } else { "" });
        Self { name, threads, module, programs: None, variant, draft }
    }

    /// A build of llama.cpp that the user has.
    fn of_peer(peer: &Peer, variant: &'static str, threads: usize) -> Self {
        let (module, programs) = (Some("llama_bench"), Some(peer.programs.clone()));
        Self { name: format!("{} {variant}", peer.name), threads, module, programs, variant, draft: false }
    }

    /// All that can be measured of a version, on one thread and on two; and what cannot, in words.
    pub fn all(manifest: &Manifest, peers: &[Peer]) -> (Vec<Self>, Vec<String>) {
        let mut left_out = BTreeSet::new();
        let mut ways = Vec::from(WAYS);
        ways.retain(|&(runtime, module, variant, drafts)| {
            let has = |entry: &Variant| entry.precision.to_string() == variant;
            let missing = if module.is_some() {
                None
            } else if !manifest.variants.iter().any(has) {
                Some(format!("{runtime} {variant}: the version has none"))
            } else {
                let no_index = drafts && manifest.file(draft::FILE_NAME).is_none();
                no_index.then(|| "drafting: the version has no index of its corpus".to_owned())
            };
            let measured = missing.is_none();
            left_out.extend(missing);
            measured
        });
        let all = (1..=cores().min(2)).flat_map(|threads| {
            let of_peer = move |peer| ["q4_0", "q8_0"].map(|variant| Self::of_peer(peer, variant, threads));
            ways.iter().map(move |&way| Self::new(way, threads)).chain(peers.iter().flat_map(of_peer))
        });
        (all.collect(), left_out.into_iter().collect())
    }

    /// Measures it in a process of its own.
    pub fn measure(&self, run: &Path, seed: usize) -> Result<Measurement> {
        let mut command = match self.module {
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(MEASURE).arg(self.draft.to_string());
                command
            }
            Some(module) => python(&format!("peers.{module}"))?,
        };
        if let Some(programs) = &self.programs {
            command.arg(programs);
        }
        command.arg(self.variant).arg(run).args([self.threads.to_string(), seed.to_string()]);
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "{}: {}", self.name, output.status);
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{}: {}", self.name, String::from_utf8_lossy(&output.stdout)))
    }
}
