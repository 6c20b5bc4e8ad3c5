//! Shared parts of the benchmarks: command line, machine, medians, results.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::process::root;

/// The largest resident memory of this process so far, in bytes.
///
/// # Errors
/// As of [`status_bytes`].
pub fn peak_rss_bytes() -> Result<u64> {
    status_bytes("self", "VmHWM")
}

/// A size from the kernel's account of a process, such as `VmHWM`, in bytes.
///
/// # Errors
/// If the process has ended or the kernel does not keep this account.
pub fn status_bytes(process: &str, field: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(1024 * kib.with_context(|| format!("{path}: expected a line `{field}: … kB`, found {line:?}"))?)
}

/// How long ago this process was started, as the kernel counts: in ticks of 10 ms.
///
/// # Errors
/// If the kernel does not tell.
pub fn process_age() -> Result<Duration> {
    // Of the fields after the program's name, which may contain anything, the 20th is the time of the
    // start, in ticks of 1/100 s since the machine's.
    let stat = std::fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
    let ticks = stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(19));
    let ticks: u64 = ticks.context("/proc/self/stat has no start time")?.parse()?;
    let uptime = std::fs::read_to_string("/proc/uptime").context("/proc/uptime")?;
    let uptime: f64 = uptime.split(' ').next().unwrap_or_default().parse().context("/proc/uptime")?;
    Ok(Duration::from_secs_f64(uptime).saturating_sub(Duration::from_millis(10 * ticks)))
}

/// The file that `--json` names, if it is given.
///
/// # Errors
/// As of [`paths`].
pub fn json_file() -> Result<Option<PathBuf>> {
    Ok(paths(&["--json"])?.remove("--json"))
}

/// The paths that follow the `options` among the arguments of this program.
///
/// # Errors
/// If there is any other argument, but for `--bench`, which cargo adds.
pub fn paths(options: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let (paths, peers) = paths_and_peers(options)?;
    match peers.first() {
        None => Ok(paths),
        Some(_) => bail!("unknown argument --peer; expected {}", options.join(", ")),
    }
}

/// A build of llama.cpp, or of a fork of it, to be measured too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it is called in tables.
    pub name: String,
    /// The folder of its programs, `llama-bench` and `llama-batched-bench`.
    pub programs: PathBuf,
}

/// The paths that follow the `options`, and all `--peer NAME=FOLDER`.
///
/// # Errors
/// As of [`paths`], or if a peer has no name or no program.
pub fn paths_and_peers(options: &[&str]) -> Result<(BTreeMap<String, PathBuf>, Vec<Peer>)> {
    let (mut paths, mut peers) = (BTreeMap::new(), Vec::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--bench") => (),
            Some("--peer") => {
                let peer = arguments.next().and_then(|peer| peer.into_string().ok());
                peers.push(peer.context("--peer needs NAME=FOLDER")?.parse()?);
            }
            Some(option) if options.contains(&option) => {
                let path = arguments.next().with_context(|| format!("{option} needs a path"))?;
                paths.insert(option.to_owned(), path.into());
            }
            _ => bail!("unknown argument {}; expected {}", argument.display(), options.join(", ")),
        }
    }
    Ok((paths, peers))
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    /// Reads `NAME=FOLDER`.
    fn from_str(peer: &str) -> Result<Self> {
        let (name, folder) = peer
            .split_once('=')
            .filter(|(name, folder)| !name.is_empty() && !folder.is_empty())
            .with_context(|| format!("--peer {peer}: expected NAME=FOLDER"))?;
        let programs = std::path::absolute(folder)?;
        for program in ["llama-bench", "llama-batched-bench"] {
            let path = programs.join(program);
            ensure!(path.is_file(), "--peer {peer}: expected a program {}", path.display());
        }
        Ok(Self { name: name.to_owned(), programs })
    }
}

/// A module of `tests`, to run with the runtimes that the set-up of benchmarks installed.
///
/// # Errors
/// If they are missing.
pub fn python(module: &str) -> Result<Command> {
    // Absolute, because the program starts in another folder.
    let python = std::path::absolute(root().join("target/bench-venv/bin/python"))?;
    ensure!(python.exists(), "{} is missing: run scripts/setup_bench.sh", python.display());
    let mut command = Command::new(python);
    command.args(["-m", module]).current_dir(root().join("tests")).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// Threads that a process of this machine can run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Where and when a benchmark runs. `load` is the load average before it: what else was running.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// As the kernel names it.
    pub cpu: String,
    /// That can be used.
    pub cores: usize,
    /// Average number of running processes in the minute before.
    pub load: f64,
    /// When, in UTC.
    pub date: String,
    /// Of the source, with `-dirty` if it was changed since; `None` outside a git checkout.
    pub commit: Option<String>,
}

impl Machine {
    /// This machine, now.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn here() -> Result<Self> {
        let read = |path| std::fs::read_to_string(path).context(path);
        let load = read("/proc/loadavg")?;
        let cpus = read("/proc/cpuinfo")?;
        let cpu = cpus.lines().find(|line| line.starts_with("model name"));
        let git =
            Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root()).output().ok();
        Ok(Self {
            cpu: cpu.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown CPU").to_owned(),
            cores: cores(),
            load: load.split(' ').next().unwrap_or_default().parse().context("/proc/loadavg")?,
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M").to_string(),
            commit: git
                .filter(|output| output.status.success())
                .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        })
    }

    /// One line for above a table.
    pub fn describe(&self) -> String {
        let Self { cpu, cores, load, date, commit } = self;
        let commit = commit.as_deref().unwrap_or("unknown");
        format!("{date} UTC, {cpu}, {cores} cores, load {load} before, commit {commit}")
    }
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Half are below it.
    pub median: f64,
    /// The quartiles: half lie between them.
    pub quartiles: (f64, f64),
    /// The least and the most.
    pub range: (f64, f64),
}

impl Summary {
    /// Sums up at least one value.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(values: &[f64]) -> Result<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
            bail!("nothing was measured");
        };
        // Between two values, in proportion.
        let quantile = |share: f64| {
            let position = share * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
            below + (above - below) * position.fract()
        };
        let quartiles = (quantile(0.25), quantile(0.75));
        Ok(Self { median: quantile(0.5), quartiles, range: (least, most) })
    }
}

/// Prints a Markdown table: a line of heads, then rows.
pub fn print_table(heads: &[&str], rows: &[Vec<String>]) {
    println!("| {} |", heads.join(" | "));
    println!("|{}", "---|".repeat(heads.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// Writes the results of `benchmark` to `file`, if there is one, with what they were measured on.
///
/// # Errors
/// If it cannot be written.
pub fn write_json(file: Option<PathBuf>, benchmark: &str, machine: &Machine, results: Value) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let json = json!({"benchmark": benchmark, "machine": machine, "results": results});
    std::fs::write(&file, format!("{json:#}\n")).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // In a test, the panic is the report.

    use super::*;

    /// Sorted: 1 2 3 10; the quartiles lie at positions 0.75, 1.5 and 2.25 counted from 0.
    #[test]
    fn quantiles_lie_between_neighbours() {
        let summary = Summary::of(&[10.0, 2.0, 1.0, 3.0]).unwrap();
        let expected = Summary { median: 2.5, quartiles: (1.75, 4.75), range: (1.0, 10.0) };
        assert_eq!(summary, expected);
        let one = Summary { median: 7.0, quartiles: (7.0, 7.0), range: (7.0, 7.0) };
        assert_eq!(Summary::of(&[7.0]).unwrap(), one);
        assert!(Summary::of(&[]).is_err());
    }

    #[test]
    fn a_peer_is_a_name_and_a_folder_with_its_programs() {
        let folder = tempfile::tempdir().unwrap();
        let peer = format!("fork={}", folder.path().display());
        assert!(peer.parse::<Peer>().unwrap_err().to_string().contains("llama-bench"));
        for program in ["llama-bench", "llama-batched-bench"] {
            std::fs::write(folder.path().join(program), "").unwrap();
        }
        let expected = Peer { name: "fork".into(), programs: folder.path().into() };
        assert_eq!(peer.parse::<Peer>().unwrap(), expected);
        for wrong in ["fork", "=folder", "fork="] {
            assert!(wrong.parse::<Peer>().unwrap_err().to_string().contains("NAME=FOLDER"));
        }
    }

    #[test]
    fn a_process_grows_older() {
        let before = process_age().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let slept = process_age().unwrap() - before;
        assert!(
            before < Duration::from_secs(600) && slept >= Duration::from_millis(30),
            "{before:?} {slept:?}"
        );
    }

    /// The kernel counts pages in batches, one for each thread, so its figures may lag a little.
    #[test]
    fn the_peak_memory_remembers_what_was_used() {
        let used = 200 << 20;
        let lag = 16 << 20;
        let before = status_bytes("self", "VmRSS").unwrap();
        drop(std::hint::black_box(vec![1u8; used]));
        let freed = status_bytes("self", "VmRSS").unwrap();
        assert!(freed < before + (used as u64) / 2, "{before} {freed}");
        assert!(peak_rss_bytes().unwrap() + lag >= before + used as u64);
        assert!(status_bytes("self", "VmNone").is_err());
    }
}
