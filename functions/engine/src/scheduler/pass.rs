//! Pass: one run of the graph over what the sequences do, and what comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::sequence::{Outcome, Sequence, Task};
use crate::error::EngineError;
use crate::graph::Graph;
use crate::prefix_cache::PrefixCache;
use crate::threads::ThreadPool;

/// Runs the tasks of `sequences`: together, if the kernels allow it, else one after the other. What fails together is
/// tried again one by one, so that nobody fails for another's sake.
pub(super) fn run(graph: &mut Graph, prefixes: &mut PrefixCache, sequences: &mut [&mut Sequence]) {
    if sequences.len() > 1 && graph.shares_passes() && run_together(graph, prefixes, sequences).is_ok() {
        return;
    }
    for sequence in sequences {
        if let Err(error) = run_together(graph, prefixes, std::slice::from_mut(sequence)) {
            sequence.failure = Some(error);
        }
    }
}

/// Runs the tasks in one pass.
fn run_together(
    graph: &mut Graph,
    prefixes: &mut PrefixCache,
    sequences: &mut [&mut Sequence],
) -> Result<(), EngineError> {
    let vocab_size = graph.config().vocab_size;
    let (mut parts, mut readers) = (Vec::new(), Vec::new());
    for sequence in sequences.iter_mut() {
        // Logits that were computed beside others are only those that later prompts would compute if passes are shared.
        let is_exact = !sequence.text.reads_prompt || graph.shares_passes();
        let keeps = is_exact && prefixes.keeps(&sequence.claim);
        let (part, reader) = sequence.split();
        parts.push(part);
        readers.push((reader, keeps));
    }
    let begin = Instant::now();
    let mut run_time = Duration::ZERO;
    let pool = graph.pool();
    let outcomes = graph.run(&mut parts, |mut logits| {
        run_time = begin.elapsed();
        let readings = readers.into_iter().map(|(reader, keeps)| {
            let own;
            (own, logits) = logits.split_at(reader.wanted * vocab_size);
            move || catch_unwind(AssertUnwindSafe(|| reader.read(own, vocab_size, keeps)))
        });
        all(pool.as_deref(), readings.collect())
    })?;
    for (sequence, outcome) in sequences.iter_mut().zip(outcomes) {
        sequence.work.runs += 1;
        sequence.work.run_time += run_time;
        if let Err(error) = conclude(sequence, prefixes, outcome.map_err(|_| EngineError::Panicked)) {
            sequence.failure = Some(error);
        }
    }
    Ok(())
}

/// Calls all of them, on the threads of the pool if there is one.
fn all<T: Send>(pool: Option<&ThreadPool>, calls: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    let Some(pool) = pool.filter(|_| calls.len() > 1) else {
        return calls.into_iter().map(|call| call()).collect();
    };
    let mut results: Vec<Option<T>> = calls.iter().map(|_| None).collect();
    pool.run_each(calls.into_iter().zip(&mut results), |(call, result)| *result = Some(call()));
    results.into_iter().flatten().collect()
}

fn conclude(
    sequence: &mut Sequence,
    prefixes: &mut PrefixCache,
    outcome: Result<Outcome, EngineError>,
) -> Result<(), EngineError> {
    let Outcome { accepted, kept_logits } = outcome?;
    match sequence.task {
        Task::Decode => sequence.conclude_decode(accepted)?,
        Task::Prefill { .. } => sequence.conclude_prefill(kept_logits, prefixes)?,
        Task::Rest => {}
    }
    Ok(())
}
