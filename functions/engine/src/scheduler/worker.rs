//! Worker: the loop of the thread that owns the model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::job::{Group, Job};
use super::occupancy::{Gauge, Occupancy};
use super::pass;
use super::sequence::{LONG_PREFILL_CHUNK, PREFILL_CHUNK, Sequence, Task, WIDE_CHUNKS, Window};
use super::waiting::Waiting;
use crate::cache::memory::KvMemory;
use crate::error::EngineError;
use crate::graph::Graph;
use crate::prefix_cache::PrefixCache;
use crate::speculation::{DraftLength, Drafter, PRIOR_ACCEPTANCE, TokensWithout, run_costs};

/// The model, and all that its thread knows.
pub(crate) struct Worker {
    pub(crate) graph: Graph,
    pub(crate) memory: KvMemory,
    pub(crate) prefixes: PrefixCache,
    pub(crate) drafter: Option<Box<dyn Drafter>>,
    /// The length of all drafts, in place of the one that pays.
    pub(crate) fixed_draft_length: Option<usize>,
    /// The share of right guesses that is assumed of the next text: half of what was assumed of the last one that
    /// drafted, half of what came of that.
    acceptance: f64,
    tokens_without: TokensWithout,
    /// Texts that run at the same time.
    pub(crate) slots: usize,
    pub(crate) slide_stride: usize,
    gauge: Arc<Gauge>,
    waiting: Waiting,
    running: Vec<Sequence>,
    /// The sequence whose turn it is to run a chunk of its window.
    turn: usize,
}

impl Worker {
    pub(crate) fn new(graph: Graph, memory: KvMemory, prefixes: PrefixCache, slots: usize) -> Self {
        Self {
            slide_stride: (graph.config().context_length / 4).max(1),
            graph,
            memory,
            prefixes,
            drafter: None,
            fixed_draft_length: None,
            acceptance: PRIOR_ACCEPTANCE,
            tokens_without: 0,
            slots,
            gauge: Arc::default(),
            waiting: Waiting::default(),
            running: Vec::new(),
            turn: 0,
        }
    }

    pub(crate) fn gauge(&self) -> Arc<Gauge> {
        Arc::clone(&self.gauge)
    }

    /// Works until nobody can send jobs any more; texts that run then are not finished, since nobody waits for them.
    pub(crate) fn work(mut self, jobs: &Receiver<Vec<Job>>) {
        while self.receive(jobs) {
            // What belongs to one text is caught where it runs; this is for faults of the scheduler itself.
            if catch_unwind(AssertUnwindSafe(|| self.advance())).is_err() {
                self.fail_all();
            }
        }
    }

    /// Takes the jobs that have come, and waits for one if there is nothing else to do; false if there will be none.
    fn receive(&mut self, jobs: &Receiver<Vec<Job>>) -> bool {
        if self.running.is_empty() && self.waiting.is_empty() {
            self.publish();
            match jobs.recv() {
                Ok(jobs) => self.waiting.extend(jobs),
                Err(_) => return false,
            }
        }
        loop {
            match jobs.try_recv() {
                Ok(jobs) => self.waiting.extend(jobs),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// One pass, and who comes and goes around it.
    fn advance(&mut self) {
        let ended = self.waiting.take_ended();
        self.publish();
        for job in ended {
            if let Job::Text { text, .. } = job {
                guarded(|| text.finish(Default::default()));
            }
        }
        self.admit();
        self.plan();
        let mut active: Vec<&mut Sequence> =
            self.running.iter_mut().filter(|sequence| sequence.task != Task::Rest).collect();
        if !active.is_empty() {
            pass::run(&mut self.graph, &mut self.prefixes, &mut active);
        }
        self.let_go();
        self.prefixes.let_go();
    }

    /// Gives slots to those who wait, as long as there are some, and memory for the next in turn.
    fn admit(&mut self) {
        while self.running.len() < self.slots {
            let slots_of =
                |group: Group| self.running.iter().filter(|sequence| sequence.group == group).count();
            let Some(index) = self.waiting.next(slots_of) else { break };
            let positions = match self.waiting.get(index) {
                Some(Job::Text { text, .. }) => text.ids.len().saturating_add(text.options.max_tokens),
                Some(Job::Inspection { ids, .. }) => ids.len(),
                None => break,
            };
            let share = match self.memory.take(self.graph.need(positions), || self.graph.new_cache()) {
                Ok(Some(share)) => share,
                Ok(None) => break, // until others have ended
                Err(error) => {
                    if let Some(job) = self.waiting.remove(index) {
                        fail(job, error);
                    }
                    continue;
                }
            };
            match self.waiting.remove(index) {
                Some(Job::Text { group, text, claim }) => {
                    let draft_length = self.draft_length();
                    let context_length = self.graph.config().context_length;
                    self.running.push(Sequence::new(
                        group,
                        *text,
                        claim,
                        share,
                        context_length,
                        draft_length,
                    ));
                }
                Some(Job::Inspection { ids, reply, .. }) => {
                    let mut share = share;
                    let inspected = if self.graph.is_inspectable() {
                        self.graph.inspect(&mut share.cache, &ids).map(Some)
                    } else {
                        Ok(None)
                    };
                    self.memory.give_back(share);
                    let _ = reply.send(inspected); // nobody waits any more
                }
                None => self.memory.give_back(share),
            }
        }
        self.publish();
    }

    fn draft_length(&self) -> DraftLength {
        let costs = run_costs(self.graph.precision(), self.graph.kernels());
        // Where the way to a token decides about its roundings, it must not depend on other texts.
        let acceptance = if self.graph.shares_passes() { self.acceptance } else { PRIOR_ACCEPTANCE };
        DraftLength::new(costs, self.fixed_draft_length, acceptance)
    }

    /// Decides what each sequence does in the next pass: all that decode do; of those that prefill, one.
    fn plan(&mut self) {
        let context_length = self.graph.config().context_length;
        let decodes = |sequence: &Sequence| !sequence.prefills && !sequence.has_ended();
        let shares = self.graph.shares_passes();
        let is_quiet = shares && !self.running.iter().any(decodes);
        let mut window = Window {
            context_length,
            stride: self.slide_stride,
            chunk: if shares { PREFILL_CHUNK } else { LONG_PREFILL_CHUNK },
            chunks: if is_quiet { WIDE_CHUNKS } else { 1 },
        };
        for sequence in &mut self.running {
            sequence.task = Task::Rest;
            sequence.text.end_if_due();
            if let Err(error) = sequence.slide(window) {
                sequence.failure = Some(error.into());
            }
        }
        let count = self.running.len();
        for index in (self.turn..self.turn + count).map(|index| index % count) {
            let sequence = &mut self.running[index];
            // A caller may get its first token here, and panic.
            let planned =
                catch_unwind(AssertUnwindSafe(|| sequence.plan_prefill(&mut self.prefixes, window)));
            match planned {
                Ok(Ok(())) => {}
                Ok(Err(error)) => sequence.failure = Some(error.into()),
                Err(_) => sequence.failure = Some(EngineError::Panicked),
            }
            if decodes(sequence) {
                window.chunks = 1; // its prompt was known
            }
            if sequence.task != Task::Rest {
                self.turn = index + 1;
                break;
            }
        }
        let texts = self.running.iter().filter(|sequence| decodes(sequence)).count();
        // As above: no text's drafts may depend on others then.
        let texts = if shares { texts } else { 1 };
        for sequence in self.running.iter_mut().filter(|sequence| decodes(sequence)) {
            let without = shares.then_some(&mut self.tokens_without);
            sequence.plan_decode(self.drafter.as_deref(), context_length, texts, without);
        }
    }

    /// Ends the sequences that have a reason to.
    fn let_go(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            if self.running[index].has_ended() {
                let sequence = self.running.remove(index);
                self.turn -= usize::from(index < self.turn);
                self.end(sequence);
            } else {
                index += 1;
            }
        }
    }

    /// Takes its slot and its memory back, then tells the caller.
    fn end(&mut self, sequence: Sequence) {
        let Sequence { text, share, work, failure, draft_length, .. } = sequence;
        if work.drafted > 0 {
            self.acceptance = (self.acceptance + draft_length.acceptance()) / 2.0;
        }
        self.memory.give_back(share);
        self.publish();
        guarded(|| match failure {
            Some(error) => text.into_sink().end(Err(error)),
            None => text.finish(work),
        });
    }

    /// After a panic nobody knows how far the sequences are.
    fn fail_all(&mut self) {
        for mut sequence in std::mem::take(&mut self.running) {
            sequence.failure = Some(EngineError::Panicked);
            self.end(sequence);
        }
    }

    fn publish(&self) {
        self.gauge.set(Occupancy {
            running: self.running.len(),
            waiting: self.waiting.len(),
            kv_bytes: self.memory.taken() * self.graph.cache_shape().position_bytes(),
        });
    }
}

fn fail(job: Job, error: EngineError) {
    match job {
        Job::Text { text, .. } => guarded(|| text.into_sink().end(Err(error))),
        Job::Inspection { reply, .. } => {
            let _ = reply.send(Err(error)); // nobody waits any more
        }
    }
}

/// Calls a caller, whose panic is its own: the panic hook tells of it.
fn guarded(call: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(call));
}
