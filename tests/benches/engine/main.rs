//! Generation beside other runtimes: the same weights, the same prompts, the same number of threads, in
//! processes of their own that take turns.

mod configuration;
mod limits;
mod ours;
mod report;
mod run;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use artifact::Manifest;
use e2e::bench::{Machine, cores, paths_and_peers, python};

use crate::configuration::Configuration;
use crate::limits::Limits;
use crate::report::{Measured, Results, report};
use crate::run::Run;

/// How often each configuration is measured, in a process of its own each time.
const ROUNDS: usize = 3;
/// The argument with which this program starts itself to measure our side.
const MEASURE: &str = "--measure";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) == Some(MEASURE) {
        return measure(&arguments[1..]);
    }
    let (mut paths, peers) = paths_and_peers(&["--model", "--text", "--json"])?;
    let json_file = paths.remove("--json");
    let text = paths.remove("--text").context("expected --text FILE, from which the prompts are taken")?;
    let model =
        std::path::absolute(paths.remove("--model").context("expected --model FOLDER_OF_A_VERSION")?)?;
    let manifest = read_manifest(&model)?;
    let machine = Machine::here()?;
    let folder = tempfile::tempdir()?;
    let run = Run::new(&model, &manifest, &text, folder.path().join("converted"))?;
    let run_file = folder.path().join("run.json");
    std::fs::write(&run_file, serde_json::to_vec(&run)?)?;
    eprintln!("bench: converting {}", model.display());
    let converted = python("peers.convert")?.arg(&run_file).status()?;
    ensure!(converted.success(), "converting the weights: {converted}");

    let (configurations, left_out) = Configuration::all(&manifest, &peers);
    let mut measured: Vec<Measured> = configurations.into_iter().map(Measured::new).collect();
    let mut limits = Vec::new();
    let bytes = limits::bytes_per_token(&manifest.config, "w4").unwrap_or_default() as usize;
    for round in 1..=ROUNDS {
        for threads in 1..=cores().min(2) {
            limits.push(Limits::measure(threads, bytes)?);
        }
        for Measured { configuration, rounds } in &mut measured {
            let Configuration { name, threads, .. } = configuration;
            eprintln!("bench: round {round} of {ROUNDS}, {name}, threads: {threads}");
            rounds.push(configuration.measure(&run_file, round)?);
        }
    }
    let peers: Vec<String> = peers.into_iter().map(|peer| peer.name).collect();
    report(&machine, json_file, &manifest, &run, &Results { measured, limits, peers, left_out })
}

/// `--measure DRAFT PRECISION RUN.json THREADS SEED`: one line of JSON.
fn measure(arguments: &[String]) -> Result<()> {
    let [draft, precision, run, threads, seed] = arguments else {
        bail!("{MEASURE} needs DRAFT PRECISION RUN.json THREADS SEED, found {arguments:?}");
    };
    let precision = serde_json::from_value(serde_json::json!(precision))?;
    let run: Run = serde_json::from_slice(&std::fs::read(PathBuf::from(run))?)?;
    let measurement = ours::measure(&run, precision, threads.parse()?, draft.parse()?, seed.parse()?)?;
    println!("{}", serde_json::to_string(&measurement)?);
    Ok(())
}

fn read_manifest(model: &Path) -> Result<Manifest> {
    let path = model.join("manifest.json");
    let json = std::fs::read(&path)
        .with_context(|| format!("{} is not the folder of a version", model.display()))?;
    Manifest::from_json(&json).with_context(|| path.display().to_string())
}
