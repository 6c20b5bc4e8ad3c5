//! Load test: many texts at once, then more requests than the server can answer, valid and invalid ones, streams, and
//! clients that leave in the middle.

mod throughput;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::bench::{Machine, Summary, paths_and_peers, print_table, status_bytes, write_json};
use e2e::process::Server;
use serde_json::{Value, json};

/// Clients at the same time: more than may generate and wait together, so that some are turned away.
const CLIENTS: usize = 24;
/// How long it goes on, unless `LOAD_SECONDS` says something else.
const SECONDS: u64 = 600;
/// By then everything that is allocated once is.
const WARM_UP: Duration = Duration::from_secs(60);

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Text,
    Stream,
    LeftStream,
    Completions,
    Invalid,
    NoJson,
    TooLarge,
    Inspect,
}

const KINDS: [Kind; 8] = [
    Kind::Text,
    Kind::Stream,
    Kind::LeftStream,
    Kind::Completions,
    Kind::Invalid,
    Kind::NoJson,
    Kind::TooLarge,
    Kind::Inspect,
];

impl Kind {
    /// The route, the body, and the status of an answer if the server has time for one.
    fn request(self, seed: u64, name: &str) -> (&'static str, String, u16) {
        let text = |more: Value| {
            let mut body = json!({"prompt": "The painting", "max_tokens": 20 + seed % 60, "seed": seed});
            body.as_object_mut()
                .into_iter()
                .for_each(|body| body.extend(more.as_object().cloned().unwrap_or_default()));
            body.to_string()
        };
        match self {
            Self::Text => ("/generate", text(json!({})), 200),
            Self::Stream => ("/generate", text(json!({"stream": true})), 200),
            Self::LeftStream => ("/generate", text(json!({"stream": true, "max_tokens": 500})), 200),
            Self::Completions => {
                let body =
                    json!({"model": name, "prompt": "She had", "max_tokens": 10, "n": 2, "logprobs": 3});
                ("/v1/completions", body.to_string(), 200)
            }
            Self::Invalid => ("/generate", text(json!({"temperature": -1})), 422),
            Self::NoJson => ("/generate", "{\"prompt\": ".to_owned(), 400),
            Self::TooLarge => ("/generate", text(json!({"prompt": "x".repeat(2 << 20)})), 413),
            Self::Inspect => ("/inspect", json!({"prompt": "The painting was"}).to_string(), 200),
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug)]
struct Answer {
    client: usize,
    kind: Kind,
    status: u16,
    milliseconds: f64,
}

fn main() -> Result<()> {
    let (mut paths, peers) = paths_and_peers(&["--model", "--text", "--json"])?;
    let json_file = paths.remove("--json");
    let model = paths.remove("--model").context("expected --model FOLDER_OF_A_VERSION")?;
    let seconds = match std::env::var("LOAD_SECONDS") {
        Ok(seconds) => seconds.parse().context("LOAD_SECONDS")?,
        Err(_) => SECONDS,
    };
    let machine = Machine::here()?;
    let text = paths.remove("--text").context("expected --text FILE")?;
    println!("{}", machine.describe());
    let throughput = throughput::measure(&model, &text, &peers)?;
    if seconds == 0 {
        return write_json(json_file, "load", &machine, json!({"throughput": throughput}));
    }
    let name = |folder: Option<&Path>| Some(folder?.file_name()?.to_string_lossy().into_owned());
    let model_name = name(model.parent()).context("expected store/models/NAME/VERSION")?;
    let version = format!("{model_name}/{}", name(Some(&model)).context("a version")?);
    let store = model.ancestors().nth(3).context("expected store/models/NAME/VERSION")?;
    let server = Server::start_with(&store.to_string_lossy(), &["--model-version", &version], &[])?;
    let process = server.process.0.id().to_string();

    let (answers, stop) = (Mutex::new(Vec::<Answer>::new()), AtomicBool::new(false));
    let start = Instant::now();
    let mut memory = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (server, answers, stop, model_name) = (&server, &answers, &stop, &model_name);
                scope.spawn(move || ask(client, &server.url, model_name, answers, stop))
            })
            .collect();
        while start.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_secs(1));
            memory.push((start.elapsed(), status_bytes(&process, "VmRSS")? as f64 / 1e6));
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    })?;

    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{version}, {CLIENTS} clients, {seconds} s, {} requests\n", answers.len());
    let mut groups: BTreeMap<(Kind, u16), Vec<f64>> = BTreeMap::new();
    for &Answer { kind, status, milliseconds, .. } in &answers {
        groups.entry((kind, status)).or_default().push(milliseconds);
    }
    let mut rows = Vec::new();
    for ((kind, status), times) in &mut groups {
        times.sort_unstable_by(f64::total_cmp);
        let quantile = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let (kind, status, count) = (format!("{kind:?}"), status.to_string(), times.len().to_string());
        rows.push(vec![
            kind,
            status,
            count,
            format!("{:.1}", quantile(0.5)),
            format!("{:.1}", quantile(0.99)),
        ]);
    }
    print_table(&["request", "status", "answers", "p50 ms", "p99 ms"], &rows);

    let warm: Vec<f64> =
        memory.iter().filter(|(time, _)| *time >= WARM_UP).map(|&(_, bytes)| bytes).collect();
    if let Ok(summary) = Summary::of(&warm) {
        let quarter = warm.len() / 4;
        let first = Summary::of(&warm[..quarter.max(1)])?.median;
        let last = Summary::of(&warm[warm.len() - quarter.max(1)..])?.median;
        println!(
            "\nmemory after the first minute: {:.1} MB, {first:.1} in its first quarter, {last:.1} in its last",
            summary.median
        );
        ensure!(last <= 1.02 * first, "memory grows: {first:.1} MB, then {last:.1} MB");
    }
    let ours = answers.iter().filter(|answer| answer.status >= 500 && answer.status != 503).count();
    ensure!(ours == 0, "{ours} answers of 500");
    let least = least_share(&answers);
    println!("\nthe client that was served least had {least:.2} of its share");
    ensure!(least >= 0.5, "a client had {least:.2} of its share");
    ensure!(!server.log().contains("panicked"), "a request panicked: {}", server.log());
    let rows: Vec<Value> = rows.into_iter().map(Value::from).collect();
    write_json(
        json_file,
        "load",
        &machine,
        json!({"throughput": throughput, "answers": rows, "memory_mb": warm, "least_share": least}),
    )
}

/// Texts of the client that got the fewest, as a part of what each would have if all had the same.
fn least_share(answers: &[Answer]) -> f64 {
    let mut texts = [0_usize; CLIENTS];
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        texts[answer.client] += 1;
    }
    let all: usize = texts.iter().sum();
    texts.into_iter().min().unwrap_or_default() as f64 * CLIENTS as f64 / all.max(1) as f64
}

/// Asks until it is told to stop.
fn ask(client: usize, url: &str, model: &str, answers: &Mutex<Vec<Answer>>, stop: &AtomicBool) -> Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut round = client;
    while !stop.load(Ordering::Relaxed) {
        let kind = KINDS[round % KINDS.len()];
        let (route, body, expected) = kind.request(round as u64, model);
        round += 1;
        let start = Instant::now();
        let sent = agent.post(format!("{url}{route}")).header("content-type", "application/json").send(&body);
        let mut answer = match sent {
            Ok(answer) => answer,
            // A server may close the connection before a body that it will not read has been sent.
            Err(_) if kind == Kind::TooLarge => continue,
            Err(error) => return Err(error).context(format!("{kind:?}")),
        };
        let status = answer.status().as_u16();
        ensure!(status == expected || status == 503, "{kind:?}: expected {expected} or 503, found {status}");
        ensure!(status != 503 || answer.headers().contains_key("retry-after"), "503 without Retry-After");
        if kind == Kind::LeftStream {
            answer.body_mut().as_reader().read_exact(&mut [0; 64])?;
        } else {
            answer.body_mut().read_to_vec()?;
        }
        let milliseconds = 1000.0 * start.elapsed().as_secs_f64();
        let answer = Answer { client, kind, status, milliseconds };
        answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        if status == 503 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}
