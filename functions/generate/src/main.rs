//! The Lambda function, and the same server on localhost.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use artifact::Store;
use artifact::manifest::Precision;
use clap::Parser;
use generate::response::ModelRef;
use generate::{ServedModel, app, server};
use tracing_subscriber::EnvFilter;

/// Set by Lambda, and by its emulators.
const LAMBDA_RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Serve a published model over HTTP: on localhost, or in AWS Lambda when started by it.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The store of the model: a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE")]
    store: String,
    /// The channel that names the model to serve.
    #[arg(long, env = "MODEL_CHANNEL", default_value = "live")]
    channel: String,
    /// The precision to serve: w4, w8 or float32 [default: the first of these that the model has].
    #[arg(long, env = "MODEL_PRECISION")]
    precision: Option<Precision>,
    /// Where models from S3 are kept [default: a folder for temporary files].
    #[arg(long, env = "MODEL_CACHE")]
    cache: Option<PathBuf>,
    /// Where to listen; not used in Lambda.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

fn main() -> ExitCode {
    // SAFETY: this is the first statement of the program: no other thread exists that could read or
    // write the environment meanwhile. ONNX Runtime reads the variable when it is loaded.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: &Cli) -> Result<()> {
    let in_lambda = std::env::var_os(LAMBDA_RUNTIME_API).is_some();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if in_lambda {
        log.json().init()
    } else {
        log.init()
    }

    if in_lambda {
        return lambda_http::run(app(load(cli).await?)).await.map_err(|error| anyhow!(error));
    }
    let listener = server::bind(cli.listen).await?;
    server::serve(app(load(cli).await?), listener).await
}

async fn load(cli: &Cli) -> Result<Arc<ServedModel>> {
    let start = Instant::now();
    let store = Store::open(&cli.store).await?;
    let cache = cli.cache.clone().unwrap_or_else(|| std::env::temp_dir().join("troelsllm-models"));
    let model = ServedModel::load(&store, &cli.channel, cli.precision, &cache).await?;
    let ModelRef { name, version, precision } = model.status().model;
    tracing::info!(name, version, %precision, milliseconds = start.elapsed().as_millis() as u64, "model loaded");
    Ok(Arc::new(model))
}
