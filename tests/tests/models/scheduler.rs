//! Many texts at once: each is the one that it is alone, nobody starves, and nothing is left behind.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use artifact::config::Activation;
use artifact::manifest::Precision;
use artifact::{GptConfig, Sampling};
use burn::module::Module;
use e2e::reference::TinyGpt;
use engine::engine::PREFILL_CHUNK;
use engine::{
    Drafter, Engine, EngineError, FinishReason, Generation, GenerationOptions, Occupancy, OnnxModel, Sink,
    TextRequest, Token,
};
use gpt::onnx::{self, Recipe};
use gpt::{Gpt, device, weights};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn tiny_gpt() -> Gpt {
    let reference = TinyGpt::read().unwrap();
    weights::load(&reference.config(), &reference.weights(), &device::cpu()).unwrap().valid()
}

fn with_config(change: impl FnOnce(GptConfig) -> GptConfig) -> Gpt {
    Gpt::new(&change(tiny_gpt().config().clone()), &device::cpu()).valid()
}

fn export(model: &Gpt, precision: Precision) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    match precision {
        Precision::W4 => onnx::export_quantized(model, Recipe::W4, None, file.path()).unwrap(),
        Precision::W8 => onnx::export_quantized(model, Recipe::W8, None, file.path()).unwrap(),
        _ => onnx::export(model, file.path()).unwrap(),
    }
    file
}

/// A model with a longer context, random weights, and 8 bits.
fn wide_context() -> Engine {
    let model = with_config(|config| GptConfig { context_length: 128, ..config });
    let file = export(&model, Precision::W8);
    Engine::new(OnnxModel::load(file.path(), Precision::W8, model.config(), 2).unwrap())
}

fn random_ids(random: &mut ChaCha8Rng, count: usize, vocab_size: usize) -> Vec<u32> {
    (0..count).map(|_| random.random_range(0..vocab_size as u32)).collect()
}

/// A prompt of any length up to two contexts, and options of any kind.
fn request(seed: u64, config: &GptConfig) -> (Vec<u32>, GenerationOptions) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let length = random.random_range(1..=2 * config.context_length);
    // Of three prompts, many begin alike.
    let mut prompt = random_ids(&mut ChaCha8Rng::seed_from_u64(seed % 3), length, config.vocab_size);
    if seed.is_multiple_of(2) {
        prompt.extend(random_ids(&mut random, 3, config.vocab_size));
    }
    let sampling = match seed % 4 {
        0 => Sampling::Greedy,
        1 => Sampling::new(0.7, Some(50)),
        2 => Sampling::new(1.0, None),
        _ => Sampling::new(0.8, None).with_top_p(Some(0.9)),
    };
    // Some grow past the context.
    let max_tokens = 1 + random.random_range(0..config.context_length + 20);
    (prompt, GenerationOptions::new(max_tokens, sampling, seed))
}

/// Guesses that the text repeats itself, which is right now and then.
struct Repeat;

impl Drafter for Repeat {
    fn draft(&self, recent: &[u32], max: usize, drafted: &mut Vec<u32>) {
        drafted.extend(recent.iter().rev().skip(2).take(max));
    }
}

/// The ids of a text, and a digest of the bits of all logits that they were chosen from.
fn text(engine: &Engine, prompt: &[u32], options: &GenerationOptions) -> (Vec<u32>, u64) {
    let mut digest = 0_u64;
    let generation = engine.generate_with(prompt, options, |token| {
        for logit in token.logits {
            digest = digest.rotate_left(5) ^ u64::from(logit.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        ControlFlow::Continue(())
    });
    (generation.unwrap().ids, digest)
}

/// 32 texts at once, of any length, sampled in any way, with drafts and without, with prompts that begin alike: each
/// has the tokens that it has alone, chosen from the same bits. Where our own kernels run, drafts change none either.
#[test]
fn a_text_among_31_others_is_the_one_that_it_is_alone() {
    const TEXTS: u64 = 32;
    let models = [
        (Precision::W4, tiny_gpt()),
        (Precision::W8, tiny_gpt()),
        (Precision::Float32, tiny_gpt()),
        // So many tokens that the head has a shortlist.
        (Precision::W4, with_config(|config| GptConfig { vocab_size: 34_000, ..config })),
        // Heads that are too wide for our own kernels, so that ONNX Runtime's run.
        (Precision::W8, with_config(|config| GptConfig { n_heads: 1, d_model: 136, n_layers: 1, ..config })),
        (Precision::W8, with_config(|config| GptConfig { activation: Activation::Gelu, ..config })),
    ];
    for (precision, model) in models {
        let file = export(&model, precision);
        let load = || OnnxModel::load(file.path(), precision, model.config(), 2).unwrap();
        let own = load().has_own_kernels();
        let requests: Vec<_> = (0..TEXTS).map(|seed| request(seed, model.config())).collect();
        let mut plain = None;
        for drafts in [false, true] {
            let with_drafts = |engine: Engine| match drafts {
                true => engine.with_drafter(Box::new(Repeat)).with_draft_length(3),
                false => engine,
            };
            let alone = with_drafts(Engine::new(load()).with_slots(1).with_prefix_cache(0));
            let alone: Vec<_> =
                requests.iter().map(|(prompt, options)| text(&alone, prompt, options)).collect();
            let engine = with_drafts(Engine::new(load()).with_slots(TEXTS as usize));
            let together: Vec<_> = std::thread::scope(|scope| {
                let texts = requests.iter().map(|(prompt, options)| {
                    let engine = &engine;
                    scope.spawn(move || text(engine, prompt, options))
                });
                texts.collect::<Vec<_>>().into_iter().map(|text| text.join().unwrap()).collect()
            });
            assert!(together == alone, "{precision}, drafts: {drafts}, own kernels: {own}");
            if own && let Some(plain) = plain.replace(alone) {
                assert!(together == plain, "{precision}: drafts change a text");
            }
            assert_eq!(engine.occupancy(), Occupancy::default());
        }
    }
}

fn submit(
    engine: &Engine,
    prompt: &[u32],
    options: GenerationOptions,
    sink: impl Sink + 'static,
) -> Result<(), EngineError> {
    engine.submit([TextRequest { prompt, options, sink: Box::new(sink) }])
}

/// What came of a text: its ids as they came, and its end.
#[derive(Default)]
struct Taken {
    ids: Vec<u32>,
    ends: Vec<Result<Generation, EngineError>>,
}

/// Takes a text, until it has `leaves_after` tokens.
struct Client {
    taken: Arc<Mutex<Taken>>,
    leaves_after: usize,
    is_open: Arc<AtomicBool>,
    ended: Sender<()>,
}

impl Sink for Client {
    fn take(&mut self, token: Token<'_>) -> ControlFlow<()> {
        let mut taken = self.taken.lock().unwrap();
        taken.ids.push(token.id);
        if taken.ids.len() < self.leaves_after { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        self.taken.lock().unwrap().ends.push(result);
        let _ = self.ended.send(());
    }
}

/// Requests that come at any time, and of which some are left, some have too little time, and some end when they want:
/// every one ends once, with the beginning of the text that it has alone, and nothing stays taken.
#[test]
fn whoever_comes_and_goes_leaves_nothing_behind() {
    let file = export(&tiny_gpt(), Precision::W8);
    let load = || Engine::new(OnnxModel::load(file.path(), Precision::W8, tiny_gpt().config(), 2).unwrap());
    let alone = load();
    let config = alone.config().clone();
    for round in 0..6 {
        let mut random = ChaCha8Rng::seed_from_u64(round);
        // Two versions of a model, of which the second takes over in the middle.
        let versions = [(); 2].map(|()| {
            let engine = load().with_slots(random.random_range(1..6)).with_drafter(Box::new(Repeat));
            let contexts = random.random_range(1..4);
            let bytes = contexts * engine.context_bytes();
            engine.with_kv_cache(bytes).with_prefix_cache(random.random_range(0..3) * bytes / 2)
        });
        let count = 40;
        let mut clients = Vec::new();
        for index in 0..count {
            let engine = &versions[usize::from(index >= count / 2)];
            let (prompt, mut options) = request(100 * round + index, &config);
            let kind = random.random_range(0..5);
            if kind == 0 {
                let time = Duration::from_micros(random.random_range(0..20_000));
                options.deadline = Some(Instant::now() + time);
            }
            let leaves_after = if kind == 1 { random.random_range(1..20) } else { usize::MAX };
            let (taken, is_open) = (Arc::<Mutex<Taken>>::default(), Arc::new(AtomicBool::new(true)));
            let (ended, end) = channel();
            let client =
                Client { taken: Arc::clone(&taken), leaves_after, is_open: Arc::clone(&is_open), ended };
            submit(engine, &prompt, options.clone(), client).unwrap();
            if kind == 2 {
                is_open.store(false, Ordering::Relaxed);
            }
            clients.push((prompt, options, leaves_after, kind, taken, is_open, end));
            if random.random_range(0..4) == 0 {
                std::thread::sleep(Duration::from_micros(random.random_range(0..3000)));
            }
            if random.random_range(0..8) == 0 {
                let (_, _, _, kind, _, is_open, _) = &mut clients[random.random_range(0..=index as usize)];
                *kind = 2;
                is_open.store(false, Ordering::Relaxed);
            }
        }
        for (prompt, options, leaves_after, kind, taken, _, end) in clients {
            end.recv_timeout(Duration::from_secs(60)).unwrap();
            let whole = alone.generate(&prompt, &GenerationOptions { deadline: None, ..options }).unwrap();
            let taken = taken.lock().unwrap();
            let [Ok(generation)] = &taken.ends[..] else { panic!("{:?}", taken.ends) };
            assert_eq!(generation.ids, taken.ids);
            assert!(whole.ids.starts_with(&taken.ids), "round {round}");
            match generation.finish_reason {
                FinishReason::Length => assert_eq!(taken.ids, whole.ids),
                FinishReason::Cancelled => assert!(kind == 2 || taken.ids.len() == leaves_after),
                FinishReason::Deadline => assert!(options.deadline.is_some()),
                FinishReason::Stop => panic!("there is no stop id"),
            }
        }
        for engine in versions {
            assert_eq!(engine.occupancy(), Occupancy::default());
        }
    }
}

/// Hands each token on.
struct Teller<F>(F, Sender<Generation>);

impl<F: FnMut(u32) + Send> Sink for Teller<F> {
    fn take(&mut self, token: Token<'_>) -> ControlFlow<()> {
        (self.0)(token.id);
        ControlFlow::Continue(())
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        self.1.send(result.unwrap()).unwrap();
    }
}

fn tell(
    engine: &Engine,
    prompt: &[u32],
    options: GenerationOptions,
    take: impl FnMut(u32) + Send + 'static,
) -> Receiver<Generation> {
    let (sender, receiver) = channel();
    submit(engine, prompt, options, Teller(take, sender)).unwrap();
    receiver
}

/// Waits in a sink until it is told to go on, so that others can come meanwhile.
fn gate() -> (Sender<()>, impl FnMut(u32) + Send) {
    let (open, opened) = channel::<()>();
    // Once it is open, there is nothing to receive any more.
    (open, move |_| {
        let _ = opened.recv();
    })
}

/// Memory for one and a half contexts: of texts that may need a whole one, one runs at a time, with short ones beside
/// it, and all of them come.
#[test]
fn texts_wait_for_memory_and_never_fail() {
    let engine = wide_context().with_slots(8);
    let context_bytes = engine.context_bytes();
    let engine = Arc::new(engine.with_kv_cache(context_bytes + context_bytes / 2));
    let limit = engine.limits().kv_bytes;
    let most = Arc::new(Mutex::new(0));
    let options = |max_tokens, seed| GenerationOptions::new(max_tokens, Sampling::new(0.7, None), seed);
    let (open, wait) = gate();
    let first = tell(&engine, &[1], options(200, 0), wait);
    let others: Vec<_> = (1..8)
        .map(|seed| {
            let (most, engine) = (Arc::clone(&most), Arc::downgrade(&engine));
            let max_tokens = if seed % 2 == 0 { 200 } else { 20 };
            tell(&engine.upgrade().unwrap(), &[1, 2], options(max_tokens, seed), move |_| {
                let Some(engine) = engine.upgrade() else { return };
                let Occupancy { running, kv_bytes, .. } = engine.occupancy();
                assert!(kv_bytes <= limit);
                let mut most = most.lock().unwrap();
                *most = running.max(*most);
            })
        })
        .collect();
    drop(open);
    assert_eq!(first.recv().unwrap().ids.len(), 200);
    let lengths: Vec<usize> = others.into_iter().map(|text| text.recv().unwrap().ids.len()).collect();
    assert_eq!(lengths, [20, 200, 20, 200, 20, 200, 20]);
    let most = *most.lock().unwrap();
    assert!((2..=4).contains(&most), "{most} at a time");
    assert_eq!(engine.occupancy(), Occupancy::default());
}

/// While a prompt of four chunks is read, a text goes on by a token for each, and the prompt takes four passes; alone it
/// takes one.
#[test]
fn a_long_prompt_holds_others_up_for_no_more_than_a_chunk() {
    let engine = Arc::new(wide_context());
    let tiny = export(&tiny_gpt(), Precision::W8);
    let tiny = OnnxModel::load(tiny.path(), Precision::W8, tiny_gpt().config(), 1).unwrap();
    if !tiny.has_own_kernels() {
        return; // chunks are longer than the context
    }
    let events = Arc::new(Mutex::new(Vec::new()));
    let (long_ended, long_end) = channel();
    let (told, in_sink, mut submitted) = (Arc::clone(&events), Arc::downgrade(&engine), false);
    let text = tell(&engine, &[1], GenerationOptions::new(60, Sampling::Greedy, 0), move |_| {
        told.lock().unwrap().push("token");
        if !std::mem::replace(&mut submitted, true) {
            let prompt: Vec<u32> = (0..4 * PREFILL_CHUNK as u32).map(|i| i % 50).collect();
            let told = Arc::clone(&told);
            told.lock().unwrap().push("prompt");
            let take = move |_| told.lock().unwrap().push("first");
            let engine = in_sink.upgrade().unwrap();
            let end = tell(&engine, &prompt, GenerationOptions::new(1, Sampling::Greedy, 0), take);
            long_ended.send(end).unwrap();
        }
    });
    assert_eq!(long_end.recv().unwrap().recv().unwrap().work.runs, 4);
    assert_eq!(text.recv().unwrap().work.runs, 60);
    let events = events.lock().unwrap();
    let of = |event: &str| events.iter().position(|found| *found == event).unwrap();
    let between = events[of("prompt")..of("first")].iter().filter(|event| **event == "token").count();
    assert!((3..=4).contains(&between), "{between} tokens");
    let prompt: Vec<u32> = (0..4 * PREFILL_CHUNK as u32).map(|i| (i * 7 + 1) % 50).collect();
    let alone = engine.generate(&prompt, &GenerationOptions::new(1, Sampling::Greedy, 0)).unwrap();
    assert_eq!((alone.work.runs, alone.work.prefilled), (1, 4 * PREFILL_CHUNK));
}

/// Texts of one prompt run it once, also if they come at the same time; they differ by their seeds.
#[test]
fn a_prompt_runs_once_for_all_of_its_texts() {
    let engine = wide_context();
    let prompt: Vec<u32> = (0..100).map(|i| i % 50).collect();
    let texts: Vec<_> = (0..6)
        .map(|seed| tell(&engine, &prompt, GenerationOptions::new(5, Sampling::new(1.0, None), seed), |_| {}))
        .collect();
    let texts: Vec<Generation> = texts.into_iter().map(|text| text.recv().unwrap()).collect();
    let sum = |of: fn(&Generation) -> usize| texts.iter().map(of).sum::<usize>();
    assert_eq!((sum(|text| text.work.prefilled), sum(|text| text.work.reused)), (100, 500));
    assert!(texts.iter().any(|text| text.ids != texts[0].ids));
}

/// Four texts of each of two prompts of a request run what they have in common once, also without memory of earlier
/// prompts, and in one slot after the other; the same request once more runs it again. One that cannot be submitted whole
/// begins nothing.
#[test]
fn texts_of_a_request_run_their_prompts_once() {
    let prompts: Vec<Vec<u32>> =
        (0..2).map(|step| (0..80).map(|i| (i * (step + 1)) % 50).collect()).collect();
    for slots in [1, 2, 8] {
        let engine = wide_context().with_slots(slots).with_prefix_cache(0);
        for _ in 0..2 {
            let (sender, receiver) = channel();
            let texts = prompts.iter().flat_map(|prompt| (0..4).map(move |seed| (prompt, seed)));
            let requests = texts.map(|(prompt, seed)| TextRequest {
                prompt,
                options: GenerationOptions::new(8, Sampling::new(1.0, None), seed),
                sink: Box::new(Teller(|_| {}, sender.clone())),
            });
            engine.submit(requests).unwrap();
            let works: Vec<_> = (0..8).map(|_| receiver.recv().unwrap().work).collect();
            let prefilled: usize = works.iter().map(|work| work.prefilled).sum();
            let reused: usize = works.iter().map(|work| work.reused).sum();
            assert_eq!((prefilled, reused), (2 * 80, 6 * 80), "{slots} slots");
        }
        let begun = |prompt| TextRequest {
            prompt,
            options: GenerationOptions::new(8, Sampling::Greedy, 0),
            sink: Box::new(Teller(|_| panic!("it has begun"), channel().0)),
        };
        let refused = engine.submit([begun(&[1, 2][..]), begun(&[])]);
        assert!(matches!(refused, Err(EngineError::EmptyPrompt)));
        assert_eq!(engine.occupancy(), Occupancy::default());
    }
}

/// A request with many texts leaves slots to others.
#[test]
fn groups_get_as_many_slots_as_each_other() {
    let engine = wide_context().with_slots(2);
    let order = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = channel();
    let options = GenerationOptions::new(10, Sampling::Greedy, 0);
    let (open, wait) = gate();
    let first = tell(&engine, &[1], options.clone(), wait);
    let counted = |name| {
        let order = Arc::clone(&order);
        let mut count = 0;
        let take = move |_| {
            count += 1;
            if count == 10 {
                order.lock().unwrap().push(name);
            }
        };
        TextRequest {
            prompt: &[1, 2],
            options: options.clone(),
            sink: Box::new(Teller(take, sender.clone())),
        }
    };
    engine.submit((0..10).map(|_| counted("many"))).unwrap();
    engine.submit([counted("one")]).unwrap();
    drop(open);
    first.recv().unwrap();
    for _ in 0..11 {
        receiver.recv().unwrap();
    }
    let place = order.lock().unwrap().iter().position(|name| *name == "one").unwrap();
    assert!(place <= 2, "{place} texts of the large request came before it");
}

/// Positions of a prompt, each with the bits of its logits.
type Rows = Vec<(usize, Vec<u32>)>;

/// Reads the logits of a prompt.
struct Reader {
    rows: Rows,
    stops_at: usize,
    sender: Sender<(Rows, Generation)>,
}

impl Sink for Reader {
    fn take(&mut self, _: Token<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn read_prompt(&mut self, position: usize, logits: &[f32]) -> ControlFlow<()> {
        self.rows.push((position, logits.iter().map(|logit| logit.to_bits()).collect()));
        if position == self.stops_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        self.sender.send((self.rows, result.unwrap())).unwrap();
    }
}

/// The logits at all positions of a prompt are those of one run over it, and it is known then: the text that follows
/// runs nothing of it again. Who has enough, or no time, ends the reading.
#[test]
fn the_logits_of_a_prompt_can_be_read() {
    let model = with_config(|config| GptConfig { context_length: 128, ..config });
    let file = export(&model, Precision::W8);
    let load = || OnnxModel::load(file.path(), Precision::W8, model.config(), 1).unwrap();
    let prompt: Vec<u32> = (0..90).map(|i| (i * 7) % 50).collect();
    let wanted: Vec<usize> = (0..prompt.len()).collect();
    let vocab_size = model.config().vocab_size;
    let mut plain = load();
    let expected = plain.run(&prompt, &wanted, <[f32]>::to_vec).unwrap();
    let engine = Engine::new(load());
    let read = |options: GenerationOptions, stops_at: usize| {
        let (sender, receiver) = channel();
        let options = GenerationOptions { reads_prompt: true, ..options };
        let reader = Reader { rows: Vec::new(), stops_at, sender };
        submit(&engine, &prompt, options, reader).unwrap();
        receiver.recv().unwrap()
    };
    let options = GenerationOptions::new(0, Sampling::Greedy, 0);
    let (rows, generation) = read(options.clone(), usize::MAX);
    assert_eq!((generation.finish_reason, generation.ids.len()), (FinishReason::Length, 0));
    assert_eq!(rows.len(), prompt.len());
    for ((position, row), (index, expected)) in rows.iter().zip(expected.chunks(vocab_size).enumerate()) {
        assert_eq!(*position, index);
        let expected: Vec<u32> = expected.iter().map(|logit| logit.to_bits()).collect();
        assert!(!plain.has_own_kernels() || *row == expected, "position {position}");
    }
    let (rows, generation) = read(GenerationOptions::new(3, Sampling::Greedy, 0), usize::MAX);
    assert_eq!((rows.len(), generation.ids.len()), (prompt.len(), 3));
    let again = engine.generate(&prompt, &GenerationOptions::new(3, Sampling::Greedy, 0)).unwrap();
    assert_eq!(again.ids, generation.ids);
    assert!(!plain.has_own_kernels() || again.work.reused == prompt.len());

    let (rows, generation) = read(options.clone(), 40);
    assert_eq!((rows.len(), generation.finish_reason), (41, FinishReason::Cancelled));
    let late = GenerationOptions { deadline: Some(Instant::now()), ..options.clone() };
    let (rows, generation) = read(late, usize::MAX);
    assert_eq!((rows.len(), generation.finish_reason), (0, FinishReason::Deadline));

    let reader = Reader { rows: Vec::new(), stops_at: 0, sender: channel().0 };
    let too_long = vec![1; 129];
    let options = GenerationOptions { reads_prompt: true, ..options };
    let refused = submit(&engine, &too_long, options, reader);
    assert!(matches!(refused, Err(EngineError::ContextOverflow { positions: 129, context_length: 128 })));
}

/// Who panics ends alone.
#[test]
fn a_caller_that_panics_ends_its_own_text() {
    let engine = wide_context();
    let (failed, failure) = channel();
    struct Bad(Sender<EngineError>);
    impl Sink for Bad {
        fn take(&mut self, _: Token<'_>) -> ControlFlow<()> {
            panic!("on purpose")
        }
        fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
            self.0.send(result.unwrap_err()).unwrap();
        }
    }
    let options = GenerationOptions::new(50, Sampling::Greedy, 0);
    engine.generate(&[6, 7], &options).unwrap();
    let good = tell(&engine, &[1, 2, 3], options.clone(), |_| {});
    submit(&engine, &[4, 5], options.clone(), Bad(failed.clone())).unwrap();
    submit(&engine, &[6, 7], options.clone(), Bad(failed)).unwrap(); // whose prompt has been run
    for _ in 0..2 {
        assert!(matches!(failure.recv().unwrap(), EngineError::Panicked));
    }
    assert_eq!(good.recv().unwrap().ids, engine.generate(&[1, 2, 3], &options).unwrap().ids);
    assert_eq!(engine.occupancy(), Occupancy::default());
}
