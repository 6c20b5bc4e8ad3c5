//! Settings of the API: command-line flags, each with an environment variable.

use std::time::Duration;

use artifact::hash::Sha256Hex;
use axum::http::HeaderValue;
use engine::engine::DEFAULT_SLOTS;

/// The most texts at a time that can be set: each takes memory for its keys and values.
const MAX_CONCURRENT: usize = 1024;
/// The most tokens of a text that can be set: a text takes memory for each.
const MAX_TOKENS: usize = 100_000_000;

/// Limits and protection of the API.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Number of texts that are generated at the same time, and of requests that have a turn. They share each pass of the
    /// model: each is slower then, and all together much faster than one after the other.
    #[arg(long, env = "MAX_CONCURRENT", value_name = "N", default_value_t = DEFAULT_SLOTS,
          value_parser = from_1_to::<MAX_CONCURRENT>)]
    pub max_concurrent: usize,
    /// Number of requests that may wait in the queue; further ones are answered with 503 at once.
    #[arg(long, env = "MAX_WAITING", value_name = "N", default_value_t = 8)]
    pub max_waiting: usize,
    /// Time limit of a request, after which a text ends early. If the platform has a limit of its own, the
    /// request also ends half a second before that.
    #[arg(long, env = "TIME_LIMIT_SECONDS", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub time_limit: Duration,
    /// The most tokens of a text. One for which a request asks for more ends there, as it would at its own limit.
    #[arg(long, env = "MAX_TOKENS", value_name = "N", default_value_t = 100_000,
          value_parser = from_1_to::<MAX_TOKENS>)]
    pub max_tokens: usize,
    /// Path below which a gateway or a proxy serves the API, such as /llm, if it leaves that in the paths of requests.
    #[arg(long, env = "BASE_PATH", value_name = "PATH", default_value = "", value_parser = base_path)]
    pub base_path: String,
    /// SHA-256 of an API key; several separated by commas. Requests must then have a key, as `Authorization:
    /// Bearer KEY` or `x-api-key: KEY`. Without this option no key is needed.
    #[arg(long, env = "API_KEY_SHA256", value_name = "HEX", value_delimiter = ',', value_parser = digest)]
    pub api_key_sha256: Vec<Sha256Hex>,
    /// Origin whose pages may call the API (CORS), such as https://example.org; several separated by commas,
    /// `*` for any. Without this option only pages of the API's own origin may.
    #[arg(long, env = "CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// Log the prompts of requests.
    #[arg(long, env = "LOG_PROMPTS")]
    pub log_prompts: bool,
}

/// The default of every flag.
impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent: DEFAULT_SLOTS,
            max_waiting: 8,
            time_limit: Duration::from_secs(60),
            max_tokens: 100_000,
            base_path: String::new(),
            api_key_sha256: Vec::new(),
            cors_origins: Vec::new(),
            log_prompts: false,
        }
    }
}

fn from_1_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {MOST}"))
}

/// Parses a duration in seconds, from a thousandth to a day.
///
/// # Errors
/// If the text is no such number.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds, 0.001 to 86400".to_owned()),
    }
}

/// Parses a share.
///
/// # Errors
/// If it is not from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// A path without a slash at its end; empty for none.
fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    if path.is_empty() || (path.starts_with('/') && !path.contains(['?', '#', ' ']) && !path.contains("//")) {
        return Ok(path.to_owned());
    }
    Err("expected a path such as /llm".to_owned())
}

fn digest(text: &str) -> Result<Sha256Hex, String> {
    Sha256Hex::try_from(text.to_owned()).map_err(|_| {
        "expected 64 hexadecimal digits (0-9 a-f), as `printf %s KEY | sha256sum` prints them".to_owned()
    })
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
    fn the_defaults_are_those_of_the_flags() {
        assert_eq!(format!("{:?}", parse(&[]).unwrap()), format!("{:?}", Settings::default()));
    }

    #[test]
    fn invalid_values_are_refused() {
        for arguments in [
            ["--max-concurrent", "0"],
            ["--max-concurrent", "1025"],
            ["--time-limit", "0"],
            ["--time-limit", "NaN"],
            ["--api-key-sha256", "secret"],
            ["--max-tokens", "0"],
            ["--base-path", "llm"],
            ["--cors-origins", "example.org"],
            ["--cors-origins", "https://example.org/"],
        ] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
        let key = "a".repeat(64);
        let keys = parse(&["--api-key-sha256", &format!("{key},{key}")]).unwrap().api_key_sha256;
        assert_eq!(keys.len(), 2);
        assert_eq!(parse(&["--base-path", "/a/llm/"]).unwrap().base_path, "/a/llm");
        assert_eq!(parse(&["--cors-origins", "*,http://localhost:3000"]).unwrap().cors_origins.len(), 2);
    }
}
