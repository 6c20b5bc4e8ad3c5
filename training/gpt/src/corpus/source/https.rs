//! Downloads of texts from public addresses.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact::Sha256Hex;
use store::AtomicFile;
use ureq::Agent;

use crate::corpus::error::CorpusError;

/// A text that is longer is more likely a mistake; it can still be passed as a file.
const MAX_DOWNLOAD_BYTES: u64 = 1 << 32;

/// Long enough for a slow name server and a slow handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the request to the first byte of the answer, and from one read to the next.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest text over a slow line.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(3600);

/// A client with time limits that follows few redirects, over TLS if `https_only`.
pub fn agent(https_only: bool) -> Agent {
    Agent::config_builder()
        .https_only(https_only)
        .max_redirects(5)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .timeout_global(Some(TOTAL_TIMEOUT))
        .build()
        .into()
}

/// The text at `url` as a file in `folder`.
///
/// A file that was downloaded before and has the digest that is asked for is used again. Without a
/// digest the address is asked again, and the earlier file is used only if there is no answer.
///
/// # Errors
/// If there is no answer and no earlier file, or the text has another digest.
pub fn download(
    agent: &Agent,
    url: &str,
    sha256: Option<&Sha256Hex>,
    folder: &Path,
    notify: &dyn Fn(&str),
) -> Result<PathBuf, CorpusError> {
    // Texts of one name from different addresses do not replace each other.
    let folder = folder.join(&Sha256Hex::of_bytes(url.as_bytes()).as_str()[..16]);
    let path = folder.join(file_name(url));
    if let Some(expected) = sha256
        && Sha256Hex::of_file(&path).is_ok_and(|(found, _)| found == *expected)
    {
        return Ok(path);
    }
    let mut file = AtomicFile::create(&path).map_err(CorpusError::cache_path)?;
    match fetch(agent, url, &mut file) {
        Ok(()) => {}
        Err(FetchError::Disk(error)) => return Err(CorpusError::cache(&folder)(error)),
        Err(FetchError::Network(reason)) if sha256.is_none() && path.is_file() => {
            notify(&format!("corpus {url}: {reason}; using what was downloaded earlier"));
            return Ok(path);
        }
        Err(FetchError::Network(reason)) => {
            return Err(CorpusError::Download { url: url.to_owned(), reason });
        }
    }
    if let Some(expected) = sha256 {
        let (found, _) = Sha256Hex::of_file(file.path()).map_err(CorpusError::cache(&folder))?;
        if found != *expected {
            return Err(CorpusError::Digest { url: url.to_owned(), expected: expected.clone(), found });
        }
    }
    file.commit().map_err(CorpusError::cache_path)?;
    Ok(path)
}

enum FetchError {
    Network(String),
    Disk(io::Error),
}

fn fetch(agent: &Agent, url: &str, file: &mut AtomicFile) -> Result<(), FetchError> {
    let mut response = agent.get(url).call().map_err(|error| FetchError::Network(error.to_string()))?;
    let mut body = response.body_mut().with_config().limit(MAX_DOWNLOAD_BYTES).reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = body.read(&mut buffer).map_err(|error| FetchError::Network(error.to_string()))?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..count]).map_err(FetchError::Disk)?;
    }
}

/// The last part of the address as a plain file name.
fn file_name(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let name = path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(|&c| is_plain(c)).take(100).collect();
    if name.trim_matches('.').is_empty() { "text".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Serves `body` once on localhost, and gives its address.
    fn serve(status: &'static str, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/books/a.txt?b=c", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(lines.map(Result::unwrap).any(|line| line.is_empty()));
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        });
        url
    }

    fn get(url: &str, sha256: Option<&Sha256Hex>, folder: &Path) -> (Result<PathBuf, CorpusError>, String) {
        let said = RefCell::new(String::new());
        let result = download(&agent(false), url, sha256, folder, &|line| said.borrow_mut().push_str(line));
        (result, said.into_inner())
    }

    #[test]
    fn without_an_answer_an_earlier_text_is_used_and_this_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let url = serve("200 OK", "a text");
        let path = get(&url, None, folder.path()).0.unwrap();
        assert_eq!(path.file_name().unwrap(), "a.txt");
        assert_eq!(fs::read(&path).unwrap(), b"a text");
        let (again, said) = get(&url, None, folder.path());
        assert_eq!(again.unwrap(), path);
        assert!(said.contains("using what was downloaded earlier"), "{said}");
    }

    #[test]
    fn a_text_with_the_right_digest_is_not_asked_for_again_and_another_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Sha256Hex::of_bytes(b"a text");
        let url = serve("200 OK", "a text");
        let path = get(&url, Some(&digest), folder.path()).0.unwrap();
        let (again, said) = get(&url, Some(&digest), folder.path());
        assert_eq!((again.unwrap(), said), (path, String::new()));

        let url = serve("200 OK", "another text");
        let error = get(&url, Some(&digest), folder.path()).0.unwrap_err();
        assert!(matches!(&error, CorpusError::Digest { expected, .. } if *expected == digest), "{error}");
        // Nothing of it stays.
        let left: usize = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| fs::read_dir(e.unwrap().path()).unwrap().count())
            .sum();
        assert_eq!(left, 1);
    }

    #[test]
    fn without_network_the_error_says_what_to_pass() {
        let folder = tempfile::tempdir().unwrap();
        // Port 1 answers nobody.
        let error = get("http://127.0.0.1:1/a.txt", None, folder.path()).0.unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:1/a.txt") && error.contains("--corpus FILES"), "{error}");
        let error = get(&serve("404 Not Found", ""), None, folder.path()).0.unwrap_err().to_string();
        assert!(error.contains("404"), "{error}");
        let plain = download(&agent(true), "http://127.0.0.1:1/a.txt", None, folder.path(), &|_| ());
        assert!(plain.unwrap_err().to_string().contains("https"), "plain HTTP was accepted");
    }

    #[test]
    fn file_names_are_plain() {
        for (url, expected) in [
            ("https://example.org/cache/epub/11/pg11.txt", "pg11.txt"),
            ("https://example.org/a%2F..%2Fb.txt?x=/c#d", "a2F..2Fb.txt"),
            ("https://example.org/..", "text"),
            ("https://example.org/", "text"),
            ("https://example.org", "text"),
        ] {
            assert_eq!(file_name(url), expected);
        }
    }
}
