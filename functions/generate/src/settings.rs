//! What can be set about the API; all of it by flags, and in Lambda by the environment.

use std::time::Duration;

use artifact::hash::Sha256Hex;
use axum::http::HeaderValue;

/// The longest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// The longest prompt, in characters.
pub const MAX_PROMPT_CHARS: usize = 16_384;
/// The most tokens that one continuation can have.
pub const MAX_TOKENS: usize = 1000;
/// The most continuations of one request.
pub const MAX_CHOICES: usize = 8;
/// The most texts that can end a continuation.
pub const MAX_STOPS: usize = 4;
/// The longest of them, in characters.
pub const MAX_STOP_CHARS: usize = 64;
/// Beyond this temperature a distribution is flat.
pub const MAX_TEMPERATURE: f64 = 100.0;
/// More than any vocabulary has.
pub const MAX_TOP_K: usize = 1_000_000;
/// The largest seed that survives a client whose numbers are doubles.
pub const MAX_SEED: u64 = (1 << 53) - 1;
/// The most likely tokens that are told of each position.
pub const MAX_LOGPROBS: usize = 20;
/// The longest prompt that is looked into, in tokens: attention weights grow with its square.
pub const MAX_INSPECTED_TOKENS: usize = 64;

/// Limits and protection of the API.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// How many texts are generated at the same time. They share the processor: more than one makes each
    /// slower.
    #[arg(long, env = "MAX_CONCURRENT", value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub max_concurrent: usize,
    /// How many requests may wait for their turn; those beyond are answered with 503 at once.
    #[arg(long, env = "MAX_WAITING", value_name = "N", default_value_t = 8)]
    pub max_waiting: usize,
    /// How long a request may take: then a text ends with what there is. In Lambda it is also half a
    /// second before the function's own limit.
    #[arg(long, env = "TIME_LIMIT_SECONDS", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub time_limit: Duration,
    /// SHA-256 of a key that requests must bring as `Authorization: Bearer KEY` or `x-api-key: KEY`; several
    /// with commas between them. None are asked for a key if there is none.
    #[arg(long, env = "API_KEY_SHA256", value_name = "HEX", value_delimiter = ',', value_parser = digest)]
    pub api_key_sha256: Vec<Sha256Hex>,
    /// Origin of a page that may call the API, such as https://example.org; several with commas between
    /// them, `*` for any. Without one, pages of other origins cannot.
    #[arg(long, env = "CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// Write prompts into the log.
    #[arg(long, env = "LOG_PROMPTS")]
    pub log_prompts: bool,
}

/// Settings as they are when nothing is set.
impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent: 1,
            max_waiting: 8,
            time_limit: Duration::from_secs(60),
            api_key_sha256: Vec::new(),
            cors_origins: Vec::new(),
            log_prompts: false,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// A time in seconds, from a thousandth to a day.
///
/// # Errors
/// If it is not that.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds, 0.001 to 86400".to_owned()),
    }
}

fn digest(text: &str) -> Result<Sha256Hex, String> {
    Sha256Hex::try_from(text.to_owned())
        .map_err(|_| "expected 64 digits of 0-9 a-f, such as `printf %s KEY | sha256sum` prints".to_owned())
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = |rest: &str| !rest.is_empty() && !rest.contains('/');
    let scheme = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    if text != "*" && !scheme.is_some_and(is_origin) {
        return Err("expected `*`, or https:// or http:// and a host, without a path".to_owned());
    }
    HeaderValue::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }

    fn parse(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Cli::try_parse_from(["test"].iter().chain(arguments)).map(|cli| cli.settings)
    }

    #[test]
    fn what_is_not_set_is_as_documented() {
        assert_eq!(format!("{:?}", parse(&[]).unwrap()), format!("{:?}", Settings::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            ["--max-concurrent", "0"],
            ["--time-limit", "0"],
            ["--time-limit", "NaN"],
            ["--api-key-sha256", "secret"],
            ["--cors-origins", "example.org"],
            ["--cors-origins", "https://example.org/"],
        ] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
        let key = "a".repeat(64);
        let keys = parse(&["--api-key-sha256", &format!("{key},{key}")]).unwrap().api_key_sha256;
        assert_eq!(keys.len(), 2);
        assert_eq!(parse(&["--cors-origins", "*,http://localhost:3000"]).unwrap().cors_origins.len(), 2);
    }
}
