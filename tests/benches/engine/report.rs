//! Tables of the results.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use artifact::{GptConfig, Manifest};
use e2e::bench::{Machine, Summary, print_table, write_json};
use serde::Serialize;
use serde_json::json;

use crate::ROUNDS;
use crate::configuration::Configuration;
use crate::limits::{self, Limits};
use crate::ours::ROWS;
use crate::run::{DECODE_PROMPT, Drafts, Measurement, PREFILL, Run};

/// Whose greedy ids the others are compared with: float32, by the code that the model follows.
const REFERENCE: &str = "PyTorch uncached";
/// Which configurations are divided by which, at the same number of threads.
const COMPARISONS: [(&str, &str); 13] = [
    ("ours w4", "llama.cpp q4_0"),
    ("ours w4, drafting", "llama.cpp q4_0"),
    ("ours w8", "llama.cpp q8_0"),
    ("ours w8, drafting", "llama.cpp q8_0"),
    ("ours w8", "CTranslate2 int8"),
    ("ours float32", "PyTorch cached"),
    ("ours float32", "PyTorch uncached"),
    ("ours w8", "PyTorch uncached"),
    ("ours w4", "PyTorch uncached"),
    ("ours w4, drafting", "PyTorch uncached"),
    ("ours w4, drafting", "ours w4"),
    ("ours w8, drafting", "ours w8"),
    ("ours float32, drafting", "ours float32"),
];

/// A configuration and what each of its processes found.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub configuration: Configuration,
    pub rounds: Vec<Measurement>,
}

impl Measured {
    pub fn new(configuration: Configuration) -> Self {
        Self { configuration, rounds: Vec::new() }
    }

    /// Sums up the values of all rounds; none if there is none.
    fn summary<'a, I: IntoIterator<Item = f64>>(
        &'a self,
        values: impl Fn(&'a Measurement) -> I,
    ) -> Option<Summary> {
        let values: Vec<f64> = self.rounds.iter().flat_map(values).collect();
        Summary::of(&values).ok()
    }

    /// How many ids at the beginning are the same as `reference`, at the least.
    fn same_ids(&self, reference: &[u32]) -> Option<usize> {
        let same = |ids: &[u32]| ids.iter().zip(reference).take_while(|(a, b)| a == b).count();
        self.rounds.iter().filter_map(|round| round.greedy_ids.as_deref()).map(same).min()
    }
}

/// All that was found.
pub struct Results {
    pub measured: Vec<Measured>,
    /// Of each round, for each number of threads.
    pub limits: Vec<Limits>,
    /// Names of the builds that the user has.
    pub peers: Vec<String>,
    /// What was not measured, in words.
    pub left_out: Vec<String>,
}

/// What is compared, with how it is measured: larger is faster.
fn speeds(round: &Measurement, peer: &Measurement, run: &Run) -> [Option<(f64, f64)>; 5] {
    let median = |values: Option<&Vec<f64>>| Summary::of(values?).ok().map(|summary| summary.median);
    let decode =
        |round: &Measurement, count| median(round.decode_tokens_per_second.get(&run.decode_tokens[count]));
    let prefill = |round: &Measurement, length| median(round.prefill_ms.get(&length)).map(|ms| 1.0 / ms);
    // Over the prompts that both were asked.
    let prompts = round.request_ms.len().min(peer.request_ms.len());
    let request =
        |round: &Measurement| (prompts > 0).then(|| 1.0 / round.request_ms[..prompts].iter().sum::<f64>());
    [
        decode(round, 0).zip(decode(peer, 0)),
        decode(round, 1).zip(decode(peer, 1)),
        prefill(round, PREFILL[0]).zip(prefill(peer, PREFILL[0])),
        prefill(round, PREFILL[1]).zip(prefill(peer, PREFILL[1])),
        request(round).zip(request(peer)),
    ]
}

/// One comparison: how many times as fast, for each of [`speeds`], in each round.
#[derive(Debug, Serialize)]
struct Ratios {
    fast: String,
    than: String,
    threads: usize,
    by_round: [Vec<f64>; 5],
}

fn ratios(measured: &[Measured], peers: &[String], run: &Run) -> Vec<Ratios> {
    let mut all = Vec::new();
    let with_peers = peers.iter().flat_map(|peer| {
        [("ours w4", "q4_0"), ("ours w8", "q8_0")].map(|(ours, variant)| (ours, format!("{peer} {variant}")))
    });
    let comparisons = COMPARISONS.map(|(fast, than)| (fast, than.to_owned())).into_iter().chain(with_peers);
    for (fast, than) in comparisons {
        let named = |name: &str| {
            let name = name.to_owned();
            measured.iter().filter(move |measured| measured.configuration.name == name)
        };
        for ours in named(fast) {
            let threads = ours.configuration.threads;
            for peer in named(&than).filter(|peer| peer.configuration.threads == threads) {
                let mut by_round = [const { Vec::new() }; 5];
                for (ours, peer) in ours.rounds.iter().zip(&peer.rounds) {
                    for (ratios, speeds) in by_round.iter_mut().zip(speeds(ours, peer, run)) {
                        ratios.extend(speeds.map(|(ours, peer)| ours / peer));
                    }
                }
                all.push(Ratios { fast: fast.into(), than: than.clone(), threads, by_round });
            }
        }
    }
    all
}

/// Prints and writes what was found.
pub fn report(
    machine: &Machine,
    json_file: Option<PathBuf>,
    manifest: &Manifest,
    run: &Run,
    Results { measured, limits, peers, left_out }: &Results,
) -> Result<()> {
    let Manifest { name, version, config, .. } = manifest;
    println!("{}", machine.describe());
    println!(
        "{name} {version}: {} parameters; {ROUNDS} rounds of a process each, in turn",
        config.num_parameters()
    );
    let versions: BTreeSet<&str> =
        measured.iter().flat_map(|measured| &measured.rounds).map(|round| round.version.as_str()).collect();
    println!("{}", versions.into_iter().collect::<Vec<_>>().join(", "));
    for what in left_out {
        println!("left out: {what}");
    }
    println!();
    print_measured(run, measured)?;
    println!(
        "\nMedian (range) over all rounds; decoding is greedy from {DECODE_PROMPT} tokens; a request is {} tokens at \
         temperature {} and top-k {}; memory is the largest resident set.\n",
        run.request_tokens, run.temperature, run.top_k,
    );
    let ratios = ratios(measured, peers, run);
    print_ratios(run, &ratios);
    println!();
    print_limits(config, measured, limits);
    println!();
    print_rows(measured);
    println!();
    print_drafts(measured);
    let results = json!({"model": {"name": name, "version": version}, "run": run, "left_out": left_out,
        "measured": measured, "ratios": ratios, "limits": limits});
    write_json(json_file, "engine", machine, results)
}

fn print_measured(run: &Run, measured: &[Measured]) -> Result<()> {
    let reference = measured.iter().find(|measured| measured.configuration.name == REFERENCE);
    let reference = reference.and_then(|reference| reference.rounds.first());
    let reference = reference.and_then(|reference| reference.greedy_ids.as_ref());
    let reference = reference.with_context(|| format!("{REFERENCE} was not measured"))?;
    let counts = &run.decode_tokens;
    let heads = [
        String::new(),
        "threads".to_owned(),
        format!("tokens/s, {} tokens", counts[0]),
        format!("{} tokens", counts[1]),
        format!("ms to the first token after {DECODE_PROMPT}"),
        PREFILL[0].to_string(),
        PREFILL[1].to_string(),
        "ms for a request".to_owned(),
        "ms to load".to_owned(),
        "memory MB".to_owned(),
        "greedy ids as PyTorch's".to_owned(),
    ];
    let rows = measured.iter().map(|measured| {
        let Configuration { name, threads, .. } = &measured.configuration;
        let decode = |count: &usize| {
            let count = *count;
            with_range(measured.summary(|round| samples(round.decode_tokens_per_second.get(&count))))
        };
        let prefill =
            |length: usize| median(measured.summary(|round| samples(round.prefill_ms.get(&length))));
        vec![
            name.clone(),
            threads.to_string(),
            decode(&counts[0]),
            decode(&counts[1]),
            prefill(DECODE_PROMPT),
            prefill(PREFILL[0]),
            prefill(PREFILL[1]),
            with_range(measured.summary(|round| round.request_ms.clone())),
            load(measured),
            median(measured.summary(|round| [round.peak_rss_bytes as f64 / 1e6])),
            measured
                .same_ids(reference)
                .map_or_else(|| "–".to_owned(), |same| format!("{same} of {}", reference.len())),
        ]
    });
    print_table(&heads.each_ref().map(String::as_str), &rows.collect::<Vec<_>>());
    Ok(())
}

fn print_ratios(run: &Run, ratios: &[Ratios]) {
    let heads = [
        "times as fast, median (by round)".to_owned(),
        "threads".to_owned(),
        format!("decoding {} tokens", run.decode_tokens[0]),
        format!("{} tokens", run.decode_tokens[1]),
        format!("first token after {}", PREFILL[0]),
        format!("after {}", PREFILL[1]),
        "request".to_owned(),
    ];
    let rows = ratios.iter().map(|Ratios { fast, than, threads, by_round }| {
        let cells = by_round.iter().map(|ratios| {
            let listed: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
            Summary::of(ratios).map_or_else(
                |_| "–".to_owned(),
                |summary| format!("{:.2} ({})", summary.median, listed.join(", ")),
            )
        });
        [format!("{fast} : {than}"), threads.to_string()].into_iter().chain(cells).collect()
    });
    print_table(&heads.each_ref().map(String::as_str), &rows.collect::<Vec<_>>());
}

/// What decoding reads and what a prompt multiplies, as shares of what the machine can do.
fn print_limits(config: &GptConfig, measured: &[Measured], limits: &[Limits]) {
    let of_threads = |threads: usize, value: fn(&Limits) -> f64| {
        let values: Vec<f64> = limits.iter().filter(|limits| limits.threads == threads).map(value).collect();
        Summary::of(&values).ok()
    };
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let rows = measured.iter().filter_map(|measured| {
        let Configuration { name, threads, variant, draft, .. } = &measured.configuration;
        // Of a draft several tokens share a read.
        let bytes = limits::bytes_per_token(config, variant).filter(|_| !draft)?;
        let bandwidth = of_threads(*threads, |limits| limits.bytes_per_second)?.median;
        let rate = of_threads(*threads, |limits| limits.products_per_second)?.median;
        let speed =
            measured.summary(|round| round.decode_tokens_per_second.values().flatten().copied())?.median;
        let prefill = measured.summary(|round| samples(round.prefill_ms.get(&PREFILL[1])))?.median;
        let products = limits::products_per_token(config) * PREFILL[1] as f64 / (prefill / 1e3);
        Some(vec![
            name.clone(),
            threads.to_string(),
            number(bytes / 1e6),
            number(bytes * speed / 1e9),
            percent(bytes * speed / bandwidth),
            number(products / 1e9),
            percent(products / rate),
        ])
    });
    let heads = [
        "",
        "threads",
        "MB a token",
        "GB/s decoding",
        "of the bandwidth",
        "10⁹ products/s of a prompt",
        "of the int8 rate",
    ];
    print_table(&heads, &rows.collect::<Vec<_>>());
    let threads: BTreeSet<usize> = limits.iter().map(|limits| limits.threads).collect();
    for threads in threads {
        println!(
            "\nThis machine on {threads} threads: {} GB/s, {} x 10⁹ int8 products/s, median (range).",
            with_range(of_threads(threads, |limits| limits.bytes_per_second / 1e9)),
            with_range(of_threads(threads, |limits| limits.products_per_second / 1e9)),
        );
    }
}

/// Costs of passes of several positions.
fn print_rows(measured: &[Measured]) {
    let heads: Vec<String> = ["ms of a pass (: one position)".to_owned(), "threads".to_owned()]
        .into_iter()
        .chain(ROWS.map(|rows| rows.to_string()))
        .collect();
    let rows = measured.iter().filter_map(|measured| {
        let of = |rows: usize| measured.summary(|round| samples(round.rows_ms.get(&rows)));
        let one = of(1)?.median;
        let cells = ROWS.map(|rows| {
            of(rows).map_or_else(
                || "–".to_owned(),
                |Summary { median, .. }| format!("{} ({:.2})", number(median), median / one),
            )
        });
        let Configuration { name, threads, .. } = &measured.configuration;
        Some([name.clone(), threads.to_string()].into_iter().chain(cells).collect())
    });
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    print_table(&heads, &rows.collect::<Vec<_>>());
}

/// Texts after prompts of the kind that the model was trained on, and after others; with drafts, how many were right.
fn print_drafts(measured: &[Measured]) {
    let rows = measured.iter().filter_map(|measured| {
        let of = |kind: usize| -> Vec<Drafts> {
            measured.rounds.iter().filter_map(|round| Some(round.drafts?[kind])).collect()
        };
        let cells = [0, 1].map(|kind| {
            let rounds = of(kind);
            let speeds: Vec<f64> = rounds.iter().map(|drafts| drafts.tokens_per_second).collect();
            let (drafted, accepted) = rounds.iter().fold((0, 0), |(drafted, accepted), drafts| {
                (drafted + drafts.drafted, accepted + drafts.accepted)
            });
            let right = if drafted == 0 {
                "–".to_owned()
            } else {
                format!("{:.0} % of {drafted}", 100.0 * accepted as f64 / drafted as f64)
            };
            [with_range(Summary::of(&speeds).ok()), right]
        });
        let Configuration { name, threads, .. } = &measured.configuration;
        (!of(0).is_empty()).then(|| {
            [name.clone(), threads.to_string()].into_iter().chain(cells.into_iter().flatten()).collect()
        })
    });
    let heads =
        ["", "threads", "tokens/s, prompts as in training", "drafts right", "other prompts", "drafts right"];
    print_table(&heads, &rows.collect::<Vec<_>>());
}

/// The time to load and, in brackets, the parts of it.
fn load(measured: &Measured) -> String {
    let total = median(measured.summary(|round| round.load_ms));
    let parts: BTreeSet<&String> =
        measured.rounds.iter().flat_map(|round| round.load_parts_ms.keys()).collect();
    let parts = parts.into_iter().map(|part| {
        let ms = measured.summary(|round| round.load_parts_ms.get(part).copied());
        format!("{part} {}", median(ms))
    });
    match parts.collect::<Vec<_>>().join(", ") {
        parts if parts.is_empty() => total,
        parts => format!("{total} ({parts})"),
    }
}

fn samples(values: Option<&Vec<f64>>) -> Vec<f64> {
    values.cloned().unwrap_or_default()
}

/// Three digits.
fn number(value: f64) -> String {
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}")
}

fn median(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "–".to_owned(), |summary| number(summary.median))
}

fn with_range(summary: Option<Summary>) -> String {
    summary.map_or_else(
        || "–".to_owned(),
        |Summary { median, range, .. }| {
            format!("{} ({}–{})", number(median), number(range.0), number(range.1))
        },
    )
}
