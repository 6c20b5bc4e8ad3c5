//! Fields of a request that decide how tokens are chosen and where a text ends, on all routes that generate.

use artifact::Sampling;
use artifact::sampling::LogitsProcessors;
use serde::Deserialize;
use utoipa::ToSchema;

use super::logit_bias::LogitBias;
use super::max_tokens::MaxTokens;
use super::stop::Stop;
use super::validate::{check, check_given, check_list};
use crate::domain::continuation;
use crate::domain::prompt::Prompt;
use crate::domain::seed::MAX_SEED;
use crate::http::context::Bounds;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_PENALTY, MAX_REPETITION_PENALTY, MAX_STOP_IDS, MAX_TEMPERATURE, MAX_TOP_K};
use crate::http::strict::{optional_ids, optional_integer};

/// How tokens are chosen, and where a text ends. In this order: `logit_bias`, `min_tokens` and `ignore_eos`,
/// `repetition_penalty`, `frequency_penalty`, `presence_penalty`, `temperature`, `min_p`, `top_k`, `top_p`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
pub struct SamplingFields {
    /// Sampling temperature: 0 is greedy decoding, higher values are more varied. By default 1, at `/generate` 0.7.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100)]
    pub temperature: Option<f64>,
    /// Min-p sampling: tokens that are at least so likely as the most likely one times this. 0 is off.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1, default = 0)]
    pub min_p: Option<f64>,
    /// Top-k sampling: number of most likely tokens to sample from. 0 and -1 are off, which is the default but at
    /// `/generate`, where it is 50.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = -1, maximum = 1000000)]
    pub top_k: Option<i64>,
    /// Nucleus (top-p) sampling, after top-k: the fewest most likely tokens whose probabilities add up to at least
    /// this, and at least one. 1 is off.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1, default = 1)]
    pub top_p: Option<f64>,
    /// Random seed: the same seed gives the same text. Of several texts of a prompt, each has the next seed. Random if
    /// it is left out, or -1.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = -1, maximum = 9007199254740991_i64)]
    pub seed: Option<i64>,
    /// Stop strings, which end a text and are not part of it: one, or up to sixteen.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Token ids that end a text and are not part of it, beside the end-of-text token, and in a conversation the one that
    /// ends an answer.
    #[serde(default, deserialize_with = "optional_ids")]
    #[schema(max_items = 64, value_type = Option<Vec<u32>>)]
    pub stop_token_ids: Option<Vec<u32>>,
    /// No end-of-text token, none that ends an answer and none of `stop_token_ids` among the first so many tokens.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 0, default = 0)]
    pub min_tokens: Option<i64>,
    /// Whether the end-of-text token is never chosen; in a conversation neither is the one that ends an answer.
    #[serde(default)]
    #[schema(default = false)]
    pub ignore_eos: Option<bool>,
    /// Subtracted from a token's logit for each time that it occurs in the text so far.
    #[serde(default)]
    #[schema(minimum = -2, maximum = 2, default = 0)]
    pub frequency_penalty: Option<f64>,
    /// Subtracted once from the logit of a token that occurs in the text so far.
    #[serde(default)]
    #[schema(minimum = -2, maximum = 2, default = 0)]
    pub presence_penalty: Option<f64>,
    /// Divides positive logits, and multiplies negative ones, of tokens that occur in the prompt or the text so far. 1
    /// is off.
    #[serde(default, alias = "repeat_penalty")]
    #[schema(exclusive_minimum = 0, maximum = 10, default = 1)]
    pub repetition_penalty: Option<f64>,
    /// Added to the logits of token ids.
    #[serde(default)]
    pub logit_bias: Option<LogitBias>,
}

impl SamplingFields {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn check(&self) -> Result<(), ApiError> {
        check_given("temperature", self.temperature, 0.0..=MAX_TEMPERATURE)?;
        check_given("min_p", self.min_p, 0.0..=1.0)?;
        check_given("top_k", self.top_k, -1..=MAX_TOP_K)?;
        check_given("top_p", self.top_p, 0.0..=1.0)?;
        check_given("seed", self.seed, -1..=MAX_SEED as i64)?;
        check_given("min_tokens", self.min_tokens, 0..=i64::MAX)?;
        check_given("frequency_penalty", self.frequency_penalty, -MAX_PENALTY..=MAX_PENALTY)?;
        check_given("presence_penalty", self.presence_penalty, -MAX_PENALTY..=MAX_PENALTY)?;
        if let Some(penalty) = self.repetition_penalty.filter(|&penalty| penalty <= 0.0) {
            let expected = format_args!("more than 0, at most {MAX_REPETITION_PENALTY}");
            return Err(ApiError::out_of_range("repetition_penalty", penalty, expected));
        }
        check_given("repetition_penalty", self.repetition_penalty, 0.0..=MAX_REPETITION_PENALTY)?;
        self.logit_bias.as_ref().map_or(Ok(()), LogitBias::check)?;
        check_list("stop_token_ids", self.stop_token_ids.as_deref().unwrap_or_default(), 0..=MAX_STOP_IDS)?;
        Stop::check(self.stop.as_ref())
    }

    /// Checks `min_tokens` against the most tokens.
    ///
    /// # Errors
    /// If it is larger.
    pub fn check_min_tokens(&self, max_tokens: MaxTokens) -> Result<(), ApiError> {
        match max_tokens {
            MaxTokens::Tokens(most) => check("min_tokens", self.min_tokens.unwrap_or(0), 0..=most as i64),
            MaxTokens::Fitting => Ok(()),
        }
    }

    /// The request to the pipeline for one text of each prompt, without log-probabilities.
    pub fn continuation(
        &self,
        prompts: Vec<Prompt>,
        max_tokens: MaxTokens,
        defaults: Defaults,
        bounds: Bounds,
    ) -> continuation::Request {
        let (tokens, fits_context) = match max_tokens {
            MaxTokens::Tokens(tokens) => (tokens, false),
            MaxTokens::Fitting => (usize::MAX, true),
        };
        continuation::Request {
            model: None,
            prompts,
            choices: 1,
            max_tokens: tokens.min(bounds.max_tokens),
            fits_context,
            min_tokens: self.min_tokens.and_then(|tokens| tokens.try_into().ok()).unwrap_or(0),
            ignores_end: self.ignore_eos == Some(true),
            sampling: self.sampling(defaults),
            processors: self.processors(),
            // -1 is no seed.
            seed: self.seed.and_then(|seed| seed.try_into().ok()),
            stop: Stop::texts(self.stop.as_ref()),
            stop_ids: self.stop_token_ids.clone().unwrap_or_default(),
            log_probs: None,
            scores_prompt: false,
            deadline: bounds.deadline,
        }
    }

    fn sampling(&self, defaults: Defaults) -> Sampling {
        let temperature = self.temperature.unwrap_or(defaults.temperature);
        // 0 and -1 are off.
        let top_k = match self.top_k {
            Some(top_k) => usize::try_from(top_k).ok().filter(|&top_k| top_k > 0),
            None => defaults.top_k,
        };
        // What is positive as a double stays positive.
        let top_p = self.top_p.map(|top_p| (top_p as f32).max(f32::MIN_POSITIVE));
        let sampling = Sampling::new(temperature as f32, top_k).with_top_p(top_p);
        sampling.with_min_p(self.min_p.unwrap_or(0.0) as f32)
    }

    fn processors(&self) -> LogitsProcessors {
        let biases = self.logit_bias.iter().flat_map(|biases| &biases.0);
        LogitsProcessors {
            logit_bias: biases.map(|&(id, bias)| (id, bias as f32)).collect(),
            suppressed: Vec::new(),
            repetition_penalty: (self.repetition_penalty.unwrap_or(1.0) as f32).max(f32::MIN_POSITIVE),
            frequency_penalty: self.frequency_penalty.unwrap_or(0.0) as f32,
            presence_penalty: self.presence_penalty.unwrap_or(0.0) as f32,
        }
    }
}

/// Defaults of a route.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Sampling temperature.
    pub temperature: f64,
    /// Number of most likely tokens to sample from; `None` is all.
    pub top_k: Option<usize>,
}

impl Defaults {
    /// Those of OpenAI's API.
    pub const OPENAI: Self = Self { temperature: 1.0, top_k: None };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> SamplingFields {
        serde_json::from_str(json).unwrap()
    }

    fn request(json: &str) -> continuation::Request {
        let bounds = Bounds { deadline: std::time::Instant::now(), max_tokens: 100 };
        let fields = fields(json);
        fields.check().unwrap();
        fields.continuation(
            Vec::new(),
            MaxTokens::Tokens(5),
            Defaults { temperature: 0.7, top_k: Some(50) },
            bounds,
        )
    }

    #[test]
    fn what_is_off_or_null_is_off() {
        let off = request(
            r#"{"top_k": 0, "top_p": 1, "min_p": 0, "seed": -1, "stop": "", "logit_bias": {}, "ignore_eos": false,
                "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1, "min_tokens": 0}"#,
        );
        assert_eq!((off.seed, off.stop.len(), off.min_tokens, off.ignores_end), (None, 0, 0, false));
        assert!(off.processors.are_off());
        assert_eq!(off.sampling, Sampling::new(0.7, None).with_top_p(Some(1.0)));
        assert_eq!(request(r#"{"top_k": -1}"#).sampling, Sampling::new(0.7, None));

        let names =
            ["temperature", "min_p", "top_k", "top_p", "seed", "stop", "stop_token_ids", "min_tokens"];
        let others =
            ["ignore_eos", "frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias"];
        let nulls: Vec<_> = names.iter().chain(&others).map(|name| format!("\"{name}\": null")).collect();
        assert_eq!(fields(&format!("{{{}}}", nulls.join(","))), SamplingFields::default());
        assert_eq!(request("{}").sampling, Sampling::new(0.7, Some(50)));
    }

    #[test]
    fn values_reach_the_pipeline() {
        let json = r#"{"temperature": 0, "seed": 3, "stop": ["a", "", "b"], "stop_token_ids": [5], "min_tokens": 2,
            "ignore_eos": true, "frequency_penalty": 0.5, "presence_penalty": -1, "repeat_penalty": 1.5,
            "logit_bias": {"7": -100}}"#;
        let found = request(json);
        assert_eq!((found.sampling, found.seed), (Sampling::Greedy, Some(3)));
        assert_eq!((found.stop, found.stop_ids), (vec!["a".to_owned(), "b".to_owned()], vec![5]));
        assert_eq!((found.min_tokens, found.ignores_end), (2, true));
        let expected = LogitsProcessors {
            logit_bias: vec![(7, -100.0)],
            suppressed: Vec::new(),
            repetition_penalty: 1.5,
            frequency_penalty: 0.5,
            presence_penalty: -1.0,
        };
        assert_eq!(found.processors, expected);
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let stops = format!(r#"{{"stop": [{}]}}"#, vec!["\"a\""; 17].join(","));
        for (json, name) in [
            (r#"{"temperature": -0.1}"#, "temperature"),
            (r#"{"temperature": 1e30}"#, "temperature"),
            (r#"{"min_p": 1.1}"#, "min_p"),
            (r#"{"top_k": -2}"#, "top_k"),
            (r#"{"top_p": -0.5}"#, "top_p"),
            (r#"{"top_p": 1.1}"#, "top_p"),
            (r#"{"seed": 9007199254740992}"#, "seed"),
            (r#"{"min_tokens": -1}"#, "min_tokens"),
            (r#"{"frequency_penalty": 2.1}"#, "frequency_penalty"),
            (r#"{"presence_penalty": -2.1}"#, "presence_penalty"),
            (r#"{"repetition_penalty": 0}"#, "repetition_penalty"),
            (r#"{"logit_bias": {"7": 101}}"#, "logit_bias.7"),
            (&stops, "stop"),
        ] {
            match fields(json).check().unwrap_err() {
                ApiError::InvalidField { field, message } => {
                    assert_eq!(field, name);
                    assert!(message.contains("expected"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(serde_json::from_str::<SamplingFields>(r#"{"logit_bias": {"the": 1}}"#).is_err());
        assert!(fields(r#"{"min_tokens": 3}"#).check_min_tokens(MaxTokens::Tokens(2)).is_err());
    }
}
