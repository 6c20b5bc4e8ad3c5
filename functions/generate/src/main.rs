//! The Lambda function, and the same server on localhost.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use artifact::manifest::Precision;
use clap::Parser;
use generate::lambda::{self, ResponseMode};
use generate::models::{Models, Pinned, Source};
use generate::site::SiteSettings;
use generate::{Settings, app, logging, server, settings, telemetry};

/// Set by Lambda, and by its emulators.
const LAMBDA_RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Serve a published model over HTTP: on localhost, or in AWS Lambda when started by it
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The store of the model: a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE")]
    store: String,
    /// The channel that names the model to serve.
    #[arg(long, env = "MODEL_CHANNEL", default_value = "live")]
    channel: String,
    /// Serve this version, NAME/VERSION, whatever the channel names.
    #[arg(long, env = "MODEL_VERSION", value_name = "NAME/VERSION")]
    model_version: Option<Pinned>,
    /// The precision to serve: w4, w8 or float32 [default: the first of these that the model has].
    #[arg(long, env = "MODEL_PRECISION")]
    precision: Option<Precision>,
    /// Where models from S3 are kept [default: a folder for temporary files].
    #[arg(long, env = "MODEL_CACHE")]
    cache: Option<PathBuf>,
    /// How often, at most, to look whether the channel names another version.
    #[arg(long, env = "MODEL_CHECK_SECONDS", value_name = "SECONDS", default_value = "30",
          value_parser = settings::seconds)]
    check_interval: Duration,
    /// Where to listen; not used in Lambda.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How responses travel in Lambda.
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
        // ONNX Runtime reads it when it is loaded.
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
        // API Gateway's REST APIs have stages, which are no part of a path.
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
    let in_lambda = std::env::var_os(LAMBDA_RUNTIME_API).is_some();
    logging::init(in_lambda)?;
    if in_lambda {
        telemetry::init()?;
    }

    let source = Source {
        store: cli.store,
        channel: cli.channel,
        pinned: cli.model_version,
        precision: cli.precision,
        cache: cli.cache.unwrap_or_else(|| std::env::temp_dir().join("troelsllm-models")),
        check_interval: cli.check_interval,
    };
    let models = Models::new(source, start);
    let loaded = {
        let models = models.clone();
        async move { models.first_attempt().await }
    };
    let router = app(models.clone(), cli.settings, cli.site.open()?);
    if in_lambda {
        // Requests wait for the model by themselves, and say why if there is none.
        tokio::spawn(loaded);
        return lambda::serve(router, models, cli.response_mode).await;
    }
    let listener = server::bind(cli.listen).await?;
    let ready = async { loaded.await.map(drop).map_err(|error| anyhow!("{error:#}")) };
    let served = server::serve(router, listener, ready).await;
    logging::flush().await;
    served
}
