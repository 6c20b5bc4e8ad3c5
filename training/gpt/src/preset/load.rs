//! Loading of presets: built-in ones by name, others from a file, with overrides.

use std::path::Path;

use toml::Table;

use super::error::PresetError;
use super::overrides::Override;
use super::settings::Preset;
use super::synonyms::find_synonym;

/// The preset whose sizes are chosen for a text and a budget, see [`auto`](crate::auto).
pub const AUTO: &str = "auto";

/// The presets that are built in, by name.
const BUILT_IN: [(&str, &str); 5] = [
    ("the-verdict", include_str!("../../../presets/the-verdict.toml")),
    ("tiny", include_str!("../../../presets/tiny.toml")),
    ("books", include_str!("../../../presets/books.toml")),
    ("gpt2", include_str!("../../../presets/gpt2.toml")),
    (AUTO, include_str!("../../../presets/auto.toml")),
];

/// Name and TOML of every built-in preset.
pub fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.into_iter()
}

impl Preset {
    /// A built-in preset by its name, or a preset from a `.toml` file by its path, with some of its
    /// fields set to other values.
    ///
    /// # Errors
    /// If there is no such preset, or it is not valid.
    pub fn named(name: &str, overrides: &[Override]) -> Result<Self, PresetError> {
        if let Some((_, toml)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(name, toml, overrides);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let built_in = BUILT_IN.map(|(name, _)| format!("`{name}`")).join(", ");
            return Err(PresetError::Unknown { name: name.to_owned(), built_in });
        }
        let toml = std::fs::read_to_string(path)
            .map_err(|source| PresetError::Io { path: path.to_owned(), source })?;
        Self::parse(name, &toml, overrides)
    }

    /// The same settings with some set to other values. `name` is for errors.
    ///
    /// # Errors
    /// If the whole is not valid.
    pub fn overridden(&self, name: &str, overrides: &[Override]) -> Result<Self, PresetError> {
        let toml = self.to_toml().map_err(|source| PresetError::Write { name: name.to_owned(), source })?;
        Self::parse(name, &toml, overrides)
    }

    fn parse(name: &str, toml: &str, overrides: &[Override]) -> Result<Self, PresetError> {
        let preset =
            Self::with_overrides(toml, overrides).map_err(|source| match find_synonym(toml, overrides) {
                Some(synonym) => PresetError::Synonym { name: name.to_owned(), synonym },
                None => PresetError::Toml { name: name.to_owned(), source },
            })?;
        preset.model.validate().map_err(|source| PresetError::Model { name: name.to_owned(), source })?;
        preset.validate().map_err(|source| PresetError::Field { name: name.to_owned(), source })?;
        Ok(preset)
    }

    fn with_overrides(toml: &str, overrides: &[Override]) -> Result<Self, toml::de::Error> {
        // Read as a preset first, since only then errors tell the line.
        let preset: Self = toml::from_str(toml)?;
        if overrides.is_empty() {
            return Ok(preset);
        }
        let mut table: Table = toml::from_str(toml)?;
        overrides.iter().for_each(|setting| setting.apply(&mut table));
        table.try_into()
    }

    /// All settings, those that were left out included where they have a value, as they can be
    /// given to [`named`](Self::named) in a file.
    ///
    /// # Errors
    /// If a number is beyond those of TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::TokenizerSource;

    fn refusal(change: (&str, &str)) -> String {
        let (_, toml) = BUILT_IN[1];
        assert!(toml.contains(change.0), "{} is not in the preset", change.0);
        Preset::parse("test", &toml.replace(change.0, change.1), &[]).unwrap_err().to_string()
    }

    #[test]
    fn every_built_in_preset_is_valid() {
        for (name, _) in BUILT_IN {
            let preset = Preset::named(name, &[]).unwrap();
            // As it is stored beside a model, and trained from again.
            assert_eq!(Preset::parse(name, &preset.to_toml().unwrap(), &[]).unwrap(), preset);
        }
        let tiny = Preset::named("tiny", &[]).unwrap().model.num_parameters();
        assert!((500_000..2_000_000).contains(&tiny), "{tiny}");
        assert_eq!(Preset::named("books", &[]).unwrap().corpus.unwrap().sources.len(), 3);
        // As OpenAI's, which GPT2LMHeadModel counts.
        let mut gpt2 = Preset::named("gpt2", &[]).unwrap();
        assert_eq!(gpt2.model.num_parameters(), 124_439_808);
        gpt2.resolve_batches().unwrap();
        assert_eq!(gpt2.training.accumulate_batches, 40);
    }

    #[test]
    fn a_bad_value_is_named() {
        assert!(refusal(("epochs = ", "epoch = ")).contains("unknown field `epoch`"));
        assert!(refusal(("batch_size = 2", "batch_size = 0")).contains("`training.batch_size` is 0"));
        assert!(refusal(("train_fraction = 0.9", "train_fraction = 1.5")).contains("train_fraction"));
        assert!(refusal(("learning_rate = ", "learning_rate = -")).contains("learning_rate"));
        assert!(refusal(("n_heads = 2", "n_heads = 5")).contains("n_heads"));
        for (setting, field) in [
            ("max_steps = 0", "max_steps"),
            ("max_seconds = 0", "max_seconds"),
            ("decay_fraction = 0", "decay_fraction"),
            ("decay_fraction = nan", "decay_fraction"),
            ("decay = \"step\"", "unknown variant `step`, expected `cosine` or `linear`"),
            ("optimizer = \"sgd\"", "unknown variant `sgd`, expected `adamw` or `muon`"),
            ("muon_learning_rate = 2.0", "muon_learning_rate"),
            ("tokens_per_step = 0", "`training.tokens_per_step` is 0"),
            ("precision = \"fp8\"", "unknown variant `fp8`, expected one of `float32`, `bf16`, `auto`"),
            ("beta_1 = 1", "beta_1"),
            ("beta_2 = -0.1", "beta_2"),
            ("epsilon = 0", "epsilon"),
            ("sample_every_steps = 0", "sample_every_steps"),
        ] {
            let message = refusal(("[sample]", &format!("{setting}\n[sample]")));
            assert!(message.contains(field), "{setting}: {message}");
        }
        let source = refusal(("[sample]", "[corpus]\nsources = [\"http://example.org/a\"]\n[sample]"));
        assert!(source.contains("https:// only"), "{source}");
        assert!(refusal(("[sample]", "[corpus]\nsource = []\n[sample]")).contains("unknown field `source`"));
    }

    #[test]
    fn what_separates_documents_can_be_set_without_naming_texts() {
        let set = |setting: &str| Preset::named("tiny", &[setting.parse().unwrap()]);
        let preset = set("corpus.separator=\"\\n\\n\"").unwrap();
        let corpus = preset.corpus.clone().unwrap();
        assert_eq!((corpus.separator.as_str(), corpus.sources.len()), ("\n\n", 0));
        assert_eq!(Preset::parse("test", &preset.to_toml().unwrap(), &[]).unwrap(), preset);
        assert_eq!(set("corpus.separator=\"\"").unwrap().corpus.unwrap().separator, "");
        assert_eq!(set("corpus.deduplicate=true").unwrap().corpus.unwrap().separator, "<|endoftext|>");
        assert_eq!(set("sample.prompts=[\"One\"]").unwrap().sample.prompts, ["One"]);
        let trained = set("tokenizer.source=train:4096").unwrap();
        assert_eq!(trained.tokenizer.source, TokenizerSource::Train(Some(4096)));
        assert_eq!(Preset::parse("test", &trained.to_toml().unwrap(), &[]).unwrap(), trained);
        assert!(!set("tokenizer.source=gpt2").unwrap().to_toml().unwrap().contains("tokenizer"));
        let error = set("tokenizer.source=train:4").unwrap_err().to_string();
        assert!(error.contains("`train:4`: expected train, or train:N"), "{error}");
        for setting in [
            "tokenizer.source=none",
            "corpus.separator=\"\\r\\n\"",
            "corpus.text_field=\"\"",
            "sample.prompts=[\" \"]",
        ] {
            let error = set(setting).unwrap_err().to_string();
            assert!(error.contains(&setting[..setting.find('=').unwrap()]), "{error}");
        }
    }

    #[test]
    fn an_unknown_preset_lists_those_that_exist() {
        let message = Preset::named("the-verdit", &[]).unwrap_err().to_string();
        assert!(message.contains("`the-verdict`") && message.contains("`tiny`"), "{message}");
        assert!(matches!(Preset::named("no/such.toml", &[]).unwrap_err(), PresetError::Io { .. }));
    }
}
