//! Overrides of single settings of a preset: `training.epochs=3` on the command line.

use std::str::FromStr;

use toml::{Table, Value};

/// One field of a preset and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    section: String,
    field: String,
    value: Value,
}

/// An override that is not of the form `SECTION.FIELD=VALUE`.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{0}` sets nothing: expected SECTION.FIELD=VALUE, such as training.epochs=3")]
pub struct OverrideError(String);

impl FromStr for Override {
    type Err = OverrideError;

    /// Reads the value as TOML; a value that is not TOML is a string, so that quotes can be left out.
    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let error = || OverrideError(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(error)?;
        let (section, field) = name.trim().split_once('.').ok_or_else(error)?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_name(section) || !is_name(field) || value.trim().is_empty() {
            return Err(error());
        }
        let parsed = toml::from_str::<Table>(&format!("value = {value}")).ok();
        let parsed = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
        let value = parsed.unwrap_or_else(|| Value::String(value.trim().to_owned()));
        Ok(Self { section: section.to_owned(), field: field.to_owned(), value })
    }
}

impl Override {
    /// Another value for a field of a section.
    pub fn new(section: &str, field: &str, value: impl Into<Value>) -> Self {
        Self { section: section.to_owned(), field: field.to_owned(), value: value.into() }
    }

    /// The field, with its section.
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.field)
    }

    /// Puts the value in its place. A missing section is added; whether a preset can have it, and the
    /// field, is checked when the whole is read.
    pub(super) fn apply(&self, preset: &mut Table) {
        let section = preset.entry(&self.section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(self.field.clone(), self.value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Initialization, Preset};
    use super::*;

    fn tiny(overrides: &[&str]) -> Result<Preset, String> {
        let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
        Preset::named("tiny", &overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn any_field_can_be_set() {
        let preset = tiny(&[
            "model.n_layers=3",
            "training.epochs = 7",
            "training.learning_rate=1",
            "training.initialization=gpt2",
            "training.keep_best=true",
            "sample.temperature=0.5",
            r#"corpus.sources=["a.txt", "b.txt"]"#,
        ])
        .unwrap();
        assert_eq!((preset.model.n_layers, preset.training.epochs), (3, 7));
        assert_eq!((preset.training.learning_rate, preset.sample.temperature), (1.0, 0.5));
        assert_eq!(preset.training.initialization, Some(Initialization::Gpt2));
        assert!(preset.training.keep_best);
        assert_eq!(preset.corpus.unwrap().sources.len(), 2);
    }

    #[test]
    fn what_a_preset_does_not_have_is_refused_by_name() {
        assert!(tiny(&["training.epoch=3"]).unwrap_err().contains("unknown field `epoch`"));
        assert!(tiny(&["trainings.epochs=3"]).unwrap_err().contains("unknown field `trainings`"));
        assert!(tiny(&["training.epochs=many"]).unwrap_err().contains("invalid type: string \"many\""));
        assert!(tiny(&["training.epochs=0"]).unwrap_err().contains("`training.epochs` is 0"));
        for text in ["epochs=3", "training.epochs", "training.=3", "a.b.c=3", "training.epochs="] {
            assert!(text.parse::<Override>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_field() {
        let text: Override = "training.initialization=1\nseed = 2".parse().unwrap();
        assert_eq!(text.value, Value::String("1\nseed = 2".to_owned()));
    }
}
