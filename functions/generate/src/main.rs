//! Server program: on localhost, or as an AWS Lambda function.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use artifact::manifest::Precision;
use axum::Router;
use clap::Parser;
use generate::cloudwatch;
use generate::domain::source::{Challenge, Pinned};
use generate::domain::{Models, Resources, Source};
use generate::http::server::ConnectionLimits;
use generate::http::site::SiteSettings;
use generate::http::{Settings, app, listen, prometheus, server, settings};
use generate::lambda::{self, ResponseMode, environment};
use generate::logging;
use store::TrustedKeys;

/// Serve a published model over HTTP: on localhost, or in AWS Lambda when started by it
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Location of the store (model registry): a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE")]
    store: String,
    /// Channel (alias in the registry) that names the model version to serve.
    #[arg(long, env = "MODEL_CHANNEL", default_value = "live")]
    channel: String,
    /// Another channel, whose model answers a share of the requests; both are loaded, which takes the memory of two models.
    /// Answers name the version, and metrics the channel.
    #[arg(
        long,
        env = "MODEL_CHALLENGER",
        value_name = "CHANNEL",
        requires = "challenger_share",
        conflicts_with = "model_version"
    )]
    challenger: Option<String>,
    /// The share of the requests that the challenger answers, from 0 to 1.
    #[arg(long, env = "MODEL_CHALLENGER_SHARE", value_name = "SHARE", requires = "challenger",
          value_parser = settings::share)]
    challenger_share: Option<f64>,
    /// Model version to serve, regardless of the channel.
    #[arg(long, env = "MODEL_VERSION", value_name = "NAME/VERSION")]
    model_version: Option<Pinned>,
    /// Serve only versions that one of these keys has signed: files in PEM with public keys of the curve P-256, or the
    /// base64 of their DER, separated by commas.
    #[arg(long, env = "TRUSTED_KEYS", value_name = "KEYS", value_parser = TrustedKeys::parse)]
    trusted_keys: Option<TrustedKeys>,
    /// Precision of the weights: w4 (int4), w8 (int8) or float32 [default: the first of these that the model
    /// has].
    #[arg(long, env = "MODEL_PRECISION")]
    precision: Option<Precision>,
    /// Threads that run the model [default: as many as there are cores, or as Lambda gives processors].
    #[arg(long, env = "THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Memory for the keys and values of texts that are generated, in MB; a text that does not fit in beside the others
    /// waits [default: that of a whole context for each of --max-concurrent].
    #[arg(long, env = "KV_CACHE_MB", value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    kv_cache_mb: Option<u64>,
    /// Memory for the keys and values of earlier prompts, in MB, so that a prompt that begins like one of them runs only
    /// its new part; 0 keeps none but what texts of one request have in common [default: that of four whole contexts, and
    /// at least 64].
    #[arg(long, env = "PREFIX_CACHE_MB", value_name = "MB")]
    prefix_cache_mb: Option<u64>,
    /// Folder for models downloaded from S3, of this user alone; servers may share it [default: one among temporary
    /// files].
    #[arg(long, env = "MODEL_CACHE")]
    cache: Option<PathBuf>,
    /// Shortest time between two reads of the channel.
    #[arg(long, env = "MODEL_CHECK_SECONDS", value_name = "SECONDS", default_value = "30",
          value_parser = settings::seconds)]
    check_interval: Duration,
    /// Address to listen on, such as 127.0.0.1:8080, localhost:8080, :8080 for all addresses, or a port of
    /// localhost; not used in Lambda.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = listen::address)]
    listen: SocketAddr,
    /// Most connections at a time; not used in Lambda. When there are so many, idle ones are closed for new ones.
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// Write metrics for CloudWatch to standard output, as those of a service of this name, instead of offering them at
    /// /metrics; in Lambda that is so in any case, with the name of the function.
    #[arg(long, env = "METRICS_SERVICE", value_name = "NAME")]
    metrics_service: Option<String>,
    /// How Lambda sends responses.
    #[arg(long, env = "RESPONSE_MODE", value_enum, default_value = "buffered")]
    response_mode: ResponseMode,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    site: SiteSettings,
}

fn main() -> ExitCode {
    let start = Instant::now();
    // SAFETY: these are the first statements of the program: no other thread exists that could read or
    // write the environment meanwhile.
    unsafe {
        // ONNX Runtime reads this when it is loaded.
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
        // The stage of a REST API of API Gateway is not part of the path.
        std::env::set_var("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true");
    }
    match run(Cli::parse(), start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli, start: Instant) -> Result<()> {
    let in_lambda = environment::is_lambda();
    logging::init(in_lambda)?;
    match (environment::function_name(), &cli.metrics_service) {
        (Some(function), _) => cloudwatch::init("FunctionName", function)?,
        (None, Some(service)) => cloudwatch::init("Service", service.clone())?,
        (None, None) => prometheus::init()?,
    }
    let available = environment::resources();
    let resources = Resources {
        threads: cli.threads.map_or(available.threads, usize::from),
        slots: cli.settings.max_concurrent,
        kv_cache_mb: cli.kv_cache_mb,
        prefix_cache_mb: cli.prefix_cache_mb,
        ..available
    };
    let source = Source {
        store: cli.store,
        channel: cli.channel,
        challenger: cli
            .challenger
            .zip(cli.challenger_share)
            .map(|(channel, share)| Challenge { channel, share }),
        is_challenger: false,
        pinned: cli.model_version,
        trusted_keys: cli.trusted_keys,
        precision: cli.precision,
        cache: cli.cache.unwrap_or_else(store::default_cache),
        check_interval: cli.check_interval,
        resources,
    };
    let models = Models::new(source, start);
    let router = app(Arc::clone(&models), cli.settings, cli.site.open()?);
    if in_lambda {
        return lambda::serve(router, models, cli.response_mode, start).await;
    }
    if cli.metrics_service.is_some() {
        cloudwatch::flush_regularly(Arc::clone(&models));
    }
    let limits = ConnectionLimits::new(cli.max_connections as usize);
    serve_locally(router, models, cli.listen, limits).await
}

async fn serve_locally(
    router: Router,
    models: Arc<Models>,
    address: SocketAddr,
    limits: ConnectionLimits,
) -> Result<()> {
    let listener = server::bind(address).await?;
    let loaded = async { models.first_attempt().await.map(drop).map_err(|error| anyhow!("{error:#}")) };
    let served = server::serve(router, listener, limits, loaded).await;
    logging::flush().await;
    served
}
