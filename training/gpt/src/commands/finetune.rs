//! `gpt finetune`: a pretrained model made one's own, on texts or on conversations.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail, ensure};
use artifact::chat::{ChatTemplate, MAX_FILE_BYTES};
use artifact::{GptConfig, Tokenizer};
use burn::tensor::Device;
use clap::Args;
use gpt::corpus::{Corpus, Source};
use gpt::device::prefers_bf16;
use gpt::finetune::{Material, recipe, unchosen};
use gpt::preset::{
    AUTO, CorpusSettings, Override, Precision, Preset, TokenizerSettings, check_decided_by_weights,
};
use gpt::release::naming::model_name;
use gpt::release::plan::check_vocabulary;
use gpt::release::report::Stopwatch;
use gpt::release::{ModelSource, ModelSpec, Outcome, TrainingPlan};
use gpt::weights::ImportOptions;
use tokio::runtime::Runtime;

use super::corpus_arguments::TrainingTextArguments;
use super::model_argument::ShapeArguments;
use super::run_arguments::RunArguments;
use super::train::SLOW_BF16;

/// The template where neither the command nor the model has one.
const DEFAULT_TEMPLATE: &str = "instruction";

/// Arguments of `gpt finetune`.
#[derive(Args)]
pub struct Arguments {
    /// The model to start from: channel:NAME, version:NAME/VERSION, or a path of weights, such as the folder of a Hugging
    /// Face GPT-2.
    pub model: ModelSpec,
    #[command(flatten)]
    pub texts: TrainingTextArguments,
    /// Conversations to learn answers from, instead of --corpus: files of JSON Lines or one JSON array.
    ///
    /// Each record has `messages` (role, content), `instruction` with `output` and possibly `input`, `prompt` with
    /// `completion`, or `question` with `answer`. The answers alone are learned. The last tenth validates, unless
    /// --validation gives others.
    #[arg(long, num_args = 1.., value_name = "FILES")]
    pub conversations: Vec<Source>,
    /// How conversations are written: `instruction` (as in LLMs-from-scratch), `chatml`, `none`, or the path of a Jinja
    /// file as Hugging Face's chat_template [default: that of the model, or instruction].
    ///
    /// It is stored in the version, and the served model answers by it. Special tokens that it writes and the model does
    /// not have are added.
    #[arg(long, value_name = "NAME|PATH")]
    pub chat_template: Option<String>,
    /// Learn a low-rank change of this rank (LoRA) instead of all weights: less memory, and checkpoints of a few megabytes.
    ///
    /// More of it is set by --set lora.alpha=16, lora.dropout and lora.targets.
    #[arg(long, value_name = "RANK", num_args = 0..=1, default_missing_value = "8")]
    pub lora: Option<usize>,
    /// Training settings of a preset instead of those that are chosen for the model and the texts.
    #[arg(long)]
    pub preset: Option<String>,
    #[command(flatten)]
    pub shape: ShapeArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// Trains a model further, exports, judges, publishes and promotes, as `gpt train` does.
///
/// # Errors
/// Before the training where the cause can be known by then. A version is published whole or not at all.
pub fn run(arguments: Arguments, runtime: &Runtime, stop: &AtomicBool) -> Result<Option<Outcome>> {
    engine::runtime::environment()?;
    let device = arguments.run.device.open()?.autodiff();
    let (plan, stopwatch) = arguments.plan(runtime, &device)?;
    arguments.run.run(&plan, stopwatch, &device, runtime, stop)
}

impl Arguments {
    /// Reads weights and texts, and chooses the settings.
    fn plan(&self, runtime: &Runtime, device: &Device) -> Result<(TrainingPlan, Stopwatch)> {
        let set: Vec<Override> = self.lora().into_iter().chain(self.run.overrides()).collect();
        check_decided_by_weights(&set)?;
        ensure!(
            self.conversations.is_empty() || self.texts.texts.corpus.is_empty(),
            "--corpus and --conversations are given: a model learns to continue texts or to answer, one after the other"
        );
        ensure!(
            self.preset.as_deref() != Some(AUTO),
            "--preset {AUTO} chooses the shape of a model, which the weights have; without --preset, the settings are chosen for them"
        );
        let of_texts = [
            ("--deduplicate", self.texts.deduplicate),
            ("--text-field", self.texts.texts.text_field.is_some()),
        ];
        if let Some((flag, _)) =
            of_texts.into_iter().find(|(_, is_given)| *is_given && !self.conversations.is_empty())
        {
            bail!("{flag} is for --corpus, and --conversations are given: leave it out");
        }
        let named = self.preset.as_ref().map(|preset| Preset::named(preset, &set)).transpose()?;
        let given = named.clone().map_or_else(|| unchosen(&set), Ok)?;
        let dropout = self.shape.dropout.unwrap_or(given.model.dropout);
        ensure!(
            self.shape.dropout.is_none() || !set.iter().any(|setting| setting.name() == "model.dropout"),
            "--dropout and --set model.dropout are the same: leave one of them out"
        );
        let start = self.start(dropout, runtime, device)?;
        let mut stopwatch = Stopwatch::start();
        let settings = self.settings(&given);
        let mut tokenizer = runtime.block_on(start.tokenizer_for_training())?;
        let of_start = runtime.block_on(start.chat_template())?;
        let chat_template = self.template(&settings, of_start)?;
        let mut notes = Vec::new();
        let mut model = start.config().clone();
        if let Some(template) = chat_template.as_ref().filter(|_| settings.conversations) {
            let more = self.add_special_tokens(template, &tokenizer, &given)?;
            if let Some((grown, note)) = more {
                model.vocab_size = model.vocab_size.max(grown.vocab_size());
                tokenizer = grown;
                notes.push(note);
            }
            template.learned_end(&tokenizer)?;
        }
        check_vocabulary(&model, &tokenizer)?;
        let fraction = given.training.train_fraction;
        let corpus = self.corpus(&settings, chat_template.as_ref(), &tokenizer, fraction)?;
        let corpus = corpus.with_example_prompts(&given.sample.prompts);
        stopwatch.lap("reading and encoding the corpus");
        let mut preset = match named {
            Some(mut preset) => {
                notes.extend(preset.model_note(&model));
                preset.model = GptConfig { dropout, ..model };
                preset.tokenizer = TokenizerSettings::default();
                preset.training.resolve_precision(|| prefers_bf16(device));
                preset
            }
            None => {
                let material = material(&corpus, &model, device);
                let preset = recipe(&GptConfig { dropout, ..model }, &material, &set)?;
                notes.push(chosen(&preset));
                preset
            }
        };
        if preset.training.precision == Precision::Bf16 && !prefers_bf16(device) {
            notes.push(SLOW_BF16.to_owned());
        }
        let name = self.run.name.clone().unwrap_or_else(|| model_name(&settings.sources));
        let of_windows = [
            ("training.tokens_per_step", preset.training.tokens_per_step.is_some()),
            ("training.stride", preset.training.stride.is_some()),
        ];
        if let Some((field, _)) = of_windows.into_iter().find(|(_, is_set)| *is_set && settings.conversations)
        {
            bail!(
                "`{field}` is for windows of a text, and conversations have none: a step has training.batch_size conversations, \
                 times training.accumulate_batches"
            );
        }
        preset.corpus = Some(settings);
        preset.resolve_batches()?;
        let mut plan = TrainingPlan::new(name, preset, Some(start), tokenizer, chat_template, corpus)?;
        plan.notes.splice(0..0, notes);
        Ok((plan, stopwatch))
    }

    fn start(&self, dropout: f64, runtime: &Runtime, device: &Device) -> Result<ModelSource> {
        let options = ImportOptions { dropout: Some(dropout), ..(&self.shape).into() };
        Ok(runtime.block_on(ModelSource::find(&self.model, self.run.store.as_deref(), &options, device))?)
    }

    /// The settings of --lora, which --set can change: with `alpha` twice the rank, changes of any rank are as large.
    fn lora(&self) -> Vec<Override> {
        let settings = |rank: usize| {
            [Override::new("lora", "rank", rank as i64), Override::new("lora", "alpha", 2.0 * rank as f64)]
        };
        self.lora.map(settings).into_iter().flatten().collect()
    }

    /// What is read, and how.
    fn settings(&self, preset: &Preset) -> CorpusSettings {
        let of_preset = preset.corpus.clone().unwrap_or_default();
        let mut settings = self.texts.settings(of_preset);
        if !self.conversations.is_empty() {
            settings.sources.clone_from(&self.conversations);
            settings.conversations = true;
        }
        settings.chat_template = self.chat_template.clone().or(settings.chat_template);
        settings
    }

    /// The template of the new version: the one that is asked for, or that of the model.
    fn template(
        &self,
        settings: &CorpusSettings,
        of_start: Option<ChatTemplate>,
    ) -> Result<Option<ChatTemplate>> {
        match settings.chat_template.as_deref() {
            Some(_) if !settings.conversations => {
                bail!("--chat-template is for --conversations, of which there are none")
            }
            Some(name) => read_template(name).map(Some),
            None if settings.conversations => {
                Ok(of_start.or_else(|| ChatTemplate::built_in(DEFAULT_TEMPLATE)))
            }
            None => Ok(of_start),
        }
    }

    /// The tokenizer with the special tokens that a template writes and it does not have, and what to say of it.
    fn add_special_tokens(
        &self,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        preset: &Preset,
    ) -> Result<Option<(Tokenizer, String)>> {
        let missing = template.missing_tokens(tokenizer)?;
        if missing.is_empty() {
            return Ok(None);
        }
        let names = missing.join(" ");
        ensure!(
            preset.lora.is_none(),
            "the chat template writes {names}, which the model has no ids for: these are learned with all weights, so leave \
             out --lora, or take --chat-template {DEFAULT_TEMPLATE}, which needs none"
        );
        let note = format!("the special tokens {names} are added to the vocabulary");
        Ok(Some((tokenizer.with_special(&missing)?, note)))
    }

    fn corpus(
        &self,
        settings: &CorpusSettings,
        template: Option<&ChatTemplate>,
        tokenizer: &Tokenizer,
        train_fraction: f64,
    ) -> Result<Corpus> {
        let texts = &self.texts.texts;
        match template.filter(|_| settings.conversations) {
            Some(template) => texts.load_conversations(settings, template, tokenizer, train_fraction),
            None => texts.load(settings, tokenizer, train_fraction),
        }
    }
}

/// The built-in template of a name, or that of a file.
fn read_template(name: &str) -> Result<ChatTemplate> {
    if let Some(template) = ChatTemplate::built_in(name) {
        return Ok(template);
    }
    let path = Path::new(name);
    let built_in = ChatTemplate::built_in_names().collect::<Vec<_>>().join(", ");
    let file = File::open(path)
        .with_context(|| format!("--chat-template {name} is neither built in ({built_in}) nor a file"))?;
    let mut source = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut source).with_context(|| name.to_owned())?;
    ensure!(
        source.len() as u64 <= MAX_FILE_BYTES,
        "{name} is longer than {MAX_FILE_BYTES} bytes, expected a chat template"
    );
    ChatTemplate::new(&source).with_context(|| name.to_owned())
}

/// What there is to learn from.
fn material(corpus: &Corpus, model: &GptConfig, device: &Device) -> Material {
    let fitting = |splits: &[gpt::corpus::conversations::Examples; 2]| {
        splits.each_ref().map(|examples| examples.fitting(model.context_length).0.count())
    };
    Material {
        training_tokens: corpus.training().count(),
        validation_tokens: corpus.validation().count(),
        conversations: corpus.conversations().map(fitting),
        prefers_bf16: prefers_bf16(device),
    }
}

/// The choices, in words.
fn chosen(preset: &Preset) -> String {
    let training = &preset.training;
    let what = match &preset.lora {
        Some(lora) => format!("a change of rank {}", lora.rank),
        None => "all weights".to_owned(),
    };
    format!(
        "chosen for this model and these texts: {what}, learning rate {:e} after {} steps, {} passes at the most in batches of \
         {}, ended after {} evaluations without a lower validation loss; --set changes any of it",
        training.learning_rate,
        training.warmup_steps,
        training.epochs,
        training.batch_size,
        training.stop_after_evaluations.unwrap_or_default(),
    )
}
