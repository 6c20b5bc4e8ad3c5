//! Processes of the real programs, started as a user starts them.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long a server may take to start, or a program to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of this workspace, beside which the tests were built.
///
/// # Errors
/// If it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let profile = tests.parent().and_then(Path::parent).context("tests lie in target/<profile>/deps")?;
    let program = profile.join(name);
    ensure!(program.exists(), "{} is missing: run cargo build --release --workspace", program.display());
    Ok(program)
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of this workspace that is to run with these arguments.
///
/// # Errors
/// If it has not been built.
pub fn command(name: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program(name)?);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Runs a program of this workspace to its end.
///
/// # Errors
/// If it cannot be started.
pub fn run(name: &str, arguments: &[&str]) -> Result<Output> {
    Ok(command(name, arguments)?.output()?)
}

/// What `gpt` prints when it succeeds.
///
/// # Panics
/// If it fails: in a test, the panic is the report.
pub fn gpt(arguments: &[&str]) -> String {
    let output = run("gpt", arguments).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The [message](error_message) with which `gpt` refuses something.
///
/// # Panics
/// If it does not.
pub fn refusal(arguments: &[&str]) -> String {
    let refused = run("gpt", arguments).and_then(|output| error_message(&output));
    refused.unwrap_or_else(|error| panic!("{arguments:?}: {error:#}"))
}

/// Runs one of the Python scripts in this folder with the tools that the set-up installed, or with the Python that
/// `BENCH_PYTHON` names, and gives what it printed.
///
/// # Errors
/// If the tools are missing or the script fails.
pub fn python(script: &str, arguments: &[&Path]) -> Result<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = root().join("target/venv/bin/python");
    let python = std::env::var_os("BENCH_PYTHON").map_or(installed, PathBuf::from);
    ensure!(python.exists(), "{} is missing: run scripts/setup.sh --tests", python.display());
    let output = Command::new(python).arg(tests.join(script)).args(arguments).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{script}: {}\n{stdout}{stderr}", output.status);
    Ok(stdout.into_owned())
}

/// What a failed program printed, after checking that it failed as a program should: with exit code
/// 1, a line that begins with `error:`, and no backtrace.
///
/// # Errors
/// If it did not.
pub fn error_message(output: &Output) -> Result<String> {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "exit status {}: {message}", output.status);
    ensure!(message.lines().any(|line| line.starts_with("error: ")), "no error line: {message}");
    ensure!(!message.contains("panicked"), "a panic: {message}");
    Ok(message)
}

/// A process that is killed when the test is done with it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Sends a signal by its name, such as `INT`.
    ///
    /// # Errors
    /// If `kill` fails.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status()?;
        ensure!(status.success(), "kill: {status}");
        Ok(())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// If it does not come.
    pub fn wait(&mut self) -> Result<std::process::ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the process did not end within {PATIENCE:?}")
    }
}

/// The server on a free port of localhost.
pub struct Server {
    /// Its process.
    pub process: Running,
    /// Its address, `http://127.0.0.1:…`.
    pub url: String,
    log: Lines,
}

/// What a program has printed so far.
type Lines = Arc<Mutex<String>>;

/// Reads what a program prints, in a thread that ends with it.
fn collect(output: impl Read + Send + 'static) -> (Lines, JoinHandle<()>) {
    let lines = Lines::default();
    let shared = Arc::clone(&lines);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
            let mut lines = shared.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_str(&line);
            lines.push('\n');
        }
    });
    (lines, reader)
}

impl Server {
    /// Starts `generate` on a store and waits until it listens. Telemetry is not switched off for
    /// it: it must do so itself.
    ///
    /// # Errors
    /// If it ends instead.
    pub fn start(store: &Path) -> Result<Self> {
        Self::start_with(&store.to_string_lossy(), &[], &[])
    }

    /// Starts `generate` on a store, with arguments and variables besides, and waits until it listens.
    ///
    /// # Errors
    /// If it ends instead.
    pub fn start_with(store: &str, arguments: &[&str], environment: &[(&str, String)]) -> Result<Self> {
        let mut child = Command::new(program("generate")?)
            .args(["--listen", "127.0.0.1:0", "--store", store])
            .args(arguments)
            .envs(environment.iter().cloned())
            .env_remove("ORT_DISABLE_TELEMETRY")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let (log, reader) = collect(stderr);
        let process = Running(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let server = match line.trim().strip_prefix("listening on ") {
            Some(url) => Self { process, url: url.to_owned(), log },
            None => {
                let _ = reader.join();
                bail!("the server ended: {line}{}", log.lock().unwrap_or_else(PoisonError::into_inner))
            }
        };
        Ok(server)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The function in Lambda's emulator, `cargo lambda watch`.
pub struct Lambda {
    /// Its address, as that of a function URL.
    pub url: String,
    metrics: Lines,
    log: Lines,
    _emulator: Running,
    function: Running,
}

impl Lambda {
    /// Starts `generate` with these variables, and without waiting for its model.
    ///
    /// # Errors
    /// If a program is missing, or the emulator does not listen.
    pub fn start(environment: &[(&str, String)]) -> Result<Self> {
        let port = free_port()?;
        let cargo_lambda = root().join("target/venv/bin/cargo-lambda");
        ensure!(cargo_lambda.exists(), "cargo-lambda is missing: run scripts/setup.sh --tests");
        let emulator = Running(
            Command::new(cargo_lambda)
                .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"])
                .args(["--invoke-port", &port.to_string()])
                .current_dir(root())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
        );
        eventually(|| Ok(std::net::TcpStream::connect(("127.0.0.1", port))?))?;
        let mut function = Running(
            Command::new(program("generate")?)
                .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt"))
                .env("AWS_LAMBDA_FUNCTION_NAME", "_")
                .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")
                .envs(environment.iter().cloned())
                .env_remove("ORT_DISABLE_TELEMETRY")
                .env_remove("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?,
        );
        let url = format!("http://127.0.0.1:{port}/lambda-url/_");
        let (metrics, _) = collect(function.0.stdout.take().context("stdout is piped")?);
        let (log, _) = collect(function.0.stderr.take().context("stderr is piped")?);
        Ok(Self { url, metrics, log, _emulator: emulator, function })
    }

    /// Stops the function, as Lambda does between requests.
    ///
    /// # Errors
    /// If `kill` fails.
    pub fn freeze(&self) -> Result<()> {
        self.function.signal("STOP")
    }

    /// Lets it go on, as Lambda does for a request.
    ///
    /// # Errors
    /// If `kill` fails.
    pub fn thaw(&self) -> Result<()> {
        self.function.signal("CONT")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The metrics that it has written so far: lines of JSON.
    pub fn metrics(&self) -> String {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends a request and reads a JSON answer, whatever its status.
///
/// # Errors
/// If there is no answer or it is not JSON.
pub fn request(method: &str, url: &str, content_type: &str, body: &str) -> Result<(u16, Value)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let request = ureq::http::Request::builder().method(method).uri(url).header("content-type", content_type);
    let mut response = agent.run(request.body(body.to_owned())?)?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string()?;
    let json = serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?;
    Ok((status, json))
}

/// Posts JSON.
///
/// # Errors
/// If there is no answer or it is not JSON.
pub fn post(url: &str, body: &Value) -> Result<(u16, Value)> {
    request("POST", url, "application/json", &body.to_string())
}

/// A port that was free a moment ago.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Tries until it works.
///
/// # Errors
/// The last one, when patience ends.
pub fn eventually<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
}
