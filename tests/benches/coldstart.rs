//! Cold start, part by part: on one core, with a store on an S3 server of localhost and nothing downloaded
//! before.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use artifact::manifest::{FileEntry, FileRole, Precision};
use artifact::{Manifest, Sha256Hex};
use e2e::bench::{Machine, Summary, paths, print_table, status_bytes, write_json};
use e2e::process::{free_port, program};
use s3_server::{ACCESS_KEY, BUCKET, S3Server};
use serde_json::json;

const ROUNDS: usize = 10;
/// What one stream from S3 carries at least, in bytes a second.
const THROTTLE: u64 = 55_000_000;
const THROTTLED_ROUNDS: usize = 3;
/// A program that has not done its part by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// The core of the server; the rest is left to S3 and the client.
const CORE: &str = "0";

/// Milliseconds of a start, by part.
type Parts = BTreeMap<&'static str, f64>;

/// In the order in which they are printed.
const PARTS: [(&str, &str); 9] = [
    ("health", "process start to the first answer, without a model"),
    ("files", "of a start: pointer, manifest and files from S3, verified"),
    ("runtime", "of a start: ONNX Runtime, beside the files"),
    ("tokenizer", "of a start: the tokenizer, beside the files"),
    ("session", "of a start: laying out the weights"),
    ("loaded", "process start to a loaded model"),
    ("first token", "process start to the first token"),
    ("warm first token", "a further request to its first token"),
    ("warm request", "a further request of 50 tokens"),
];

fn main() -> Result<()> {
    let mut paths = paths(&["--model", "--text", "--json"])?;
    let json_file = paths.remove("--json");
    let model = paths.remove("--model").context("expected --model FOLDER_OF_A_VERSION")?;
    let machine = Machine::here()?;
    let server = S3Server::start_beside();
    publish(&model, &server)?;
    server.read_from_memory();

    let (mut cold, mut peak) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("bench: start {round} of {ROUNDS}");
        let (parts, bytes) = start(&server)?;
        cold.push(parts);
        peak.push(bytes as f64 / 1e6);
    }
    server.throttle(THROTTLE);
    let mut throttled = Vec::new();
    for round in 1..=THROTTLED_ROUNDS {
        eprintln!("bench: start {round} of {THROTTLED_ROUNDS}, {} MB/s from S3", THROTTLE / 1_000_000);
        throttled.push(start(&server)?.0["loaded"]);
    }

    let manifest = Manifest::from_json(&std::fs::read(model.join("manifest.json"))?)?;
    println!("{}", machine.describe());
    println!(
        "{} {}, w4, the server on one core; median (range) of {ROUNDS} starts\n",
        manifest.name, manifest.version
    );
    let mut rows = Vec::new();
    let mut results = serde_json::Map::new();
    let mut row = |name: &str, what: &str, unit: &str, values: &[f64]| -> Result<()> {
        let summary = Summary::of(values)?;
        let (least, most) = summary.range;
        rows.push(vec![
            what.to_owned(),
            format!("{:.1} {unit}", summary.median),
            format!("{least:.1}–{most:.1}"),
        ]);
        results.insert(name.to_owned(), json!({"summary": summary, "values": values}));
        Ok(())
    };
    for (name, what) in PARTS {
        let values: Vec<f64> = cold.iter().filter_map(|parts| parts.get(name).copied()).collect();
        row(name, what, "ms", &values)?;
    }
    let without: Vec<f64> = cold.iter().map(|parts| parts["first token"] - parts["files"]).collect();
    row("without files", "process start to the first token, less the files", "ms", &without)?;
    row("throttled", "process start to a loaded model, 55 MB/s from S3", "ms", &throttled)?;
    row("peak memory", "largest resident set of the server", "MB", &peak)?;
    print_table(&["", "median", "range"], &rows);
    write_json(json_file, "coldstart", &machine, results.into())
}

/// Puts what a server needs of a version into the store.
fn publish(model: &Path, server: &S3Server) -> Result<()> {
    let json = std::fs::read(model.join("manifest.json"))?;
    let manifest = Manifest::from_json(&json)?;
    let folder = server.folder("store/models").join(&manifest.name).join(&manifest.version);
    std::fs::create_dir_all(&folder)?;
    let w4 = manifest.variant(Precision::W4).context("the version has no w4")?;
    std::fs::write(folder.join("manifest.json"), &json)?;
    let is_needed =
        |file: &&FileEntry| file.path == w4.path || matches!(file.role, FileRole::Draft | FileRole::Metrics);
    for file in manifest.files.iter().filter(is_needed) {
        std::fs::copy(model.join(&file.path), folder.join(&file.path))?;
    }
    let digest = Sha256Hex::of_bytes(&json);
    let (name, version) = (manifest.name, manifest.version);
    let channel =
        json!({"name": name, "version": version, "manifest_sha256": digest.as_str(), "previous": null});
    std::fs::create_dir_all(server.folder("store/channels"))?;
    Ok(std::fs::write(server.folder("store/channels/live.json"), channel.to_string())?)
}

/// One start with an empty cache, and two requests; also the largest resident set in bytes.
fn start(server: &S3Server) -> Result<(Parts, u64)> {
    let cache = tempfile::tempdir()?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = Command::new("taskset");
    command.args(["-c", CORE]).arg(program("generate")?);
    command.args(["--store", &format!("s3://{BUCKET}/store"), "--listen", &address.to_string(), "--cache"]);
    command.arg(cache.path()).envs(server.environment(ACCESS_KEY)).env("NO_COLOR", "1");
    let start = Instant::now();
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let mut parts = Parts::new();
    while get(address).is_err() {
        ensure!(start.elapsed() < PATIENCE, "the server does not answer");
        std::thread::sleep(Duration::from_micros(500));
    }
    parts.insert("health", ms(start));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().context("piped")?).read_line(&mut line)?;
    ensure!(line.starts_with("listening on"), "the server ended");
    parts.insert("loaded", ms(start));
    generate(address, 1)?;
    parts.insert("first token", ms(start));
    let warm = Instant::now();
    generate(address, 1)?;
    parts.insert("warm first token", ms(warm));
    let warm = Instant::now();
    generate(address, 50)?;
    parts.insert("warm request", ms(warm));

    let peak = status_bytes(&child.0.id().to_string(), "VmHWM")?;
    child.0.kill()?;
    child.0.wait()?;
    let mut log = String::new();
    child.0.stderr.take().context("piped")?.read_to_string(&mut log)?;
    let loaded =
        log.lines().find(|line| line.contains("model loaded")).context("it logs what it has loaded")?;
    for name in ["files", "runtime", "tokenizer", "session"] {
        let value = loaded.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        parts.insert(name, value.with_context(|| format!("{name}: {loaded}"))?.parse()?);
    }
    Ok((parts, peak))
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: SocketAddr) -> Result<()> {
    exchange(address, "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").map(drop)
}

fn generate(address: SocketAddr, max_tokens: usize) -> Result<()> {
    let body = json!({"prompt": "The painting", "max_tokens": max_tokens, "seed": 1}).to_string();
    let length = body.len();
    exchange(
        address,
        &format!(
            "POST /generate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ),
    )
    .map(drop)
}

/// Sends a request on a connection of its own; what is answered must be a 200.
fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("the server answered {}", answer.lines().next().unwrap_or_default());
    }
    Ok(answer)
}

fn ms(start: Instant) -> f64 {
    1000.0 * start.elapsed().as_secs_f64()
}
