"""Prints the path of the text that the demo trains on, and on stderr which one it is and why.

It is "The Verdict" by Edith Wharton where that can be had: in the folder that CORPUS_DIR names, or
from a public address, kept in the user's cache. Otherwise it is the project's own story.
"""

import hashlib
import http.client
import os
import queue
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

FILE_NAME = "the-verdict.txt"
URL = "https://raw.githubusercontent.com/rasbt/LLMs-from-scratch/main/ch02/01_main-chapter-code/the-verdict.txt"
SHA256 = "b41e41a68f0398a3154ae69e2e4c0e2694e17fe0d66730536837f1b01935b31f"
MAX_BYTES = 1_000_000
# For each wait on the network, and for all of them with the name server's, which has no limit of its own.
WAIT_SECONDS = 5
TOTAL_SECONDS = 15


def is_verdict(text: bytes) -> bool:
    return hashlib.sha256(text).hexdigest() == SHA256


def download() -> bytes:
    """The text from its address, or an error within TOTAL_SECONDS."""
    answers: queue.Queue[bytes | Exception] = queue.Queue()

    def fetch():
        try:
            with urllib.request.urlopen(URL, timeout=WAIT_SECONDS) as response:
                answers.put(response.read(MAX_BYTES))
        except (OSError, http.client.HTTPException) as error:
            answers.put(error)

    threading.Thread(target=fetch, daemon=True).start()
    try:
        answer = answers.get(timeout=TOTAL_SECONDS)
    except queue.Empty:
        raise OSError(f"no answer within {TOTAL_SECONDS} s") from None
    if isinstance(answer, Exception):
        raise OSError(str(answer) or type(answer).__name__)
    if not is_verdict(answer):
        raise OSError("there is another text at this address now")
    return answer


def write(path: Path, text: bytes):
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


def find() -> tuple[Path, str]:
    """The text, and what there is to say about it."""
    if folder := os.environ.get("CORPUS_DIR"):
        path = Path(folder, FILE_NAME)
        if path.is_file():
            return path, '"The Verdict", from the folder that CORPUS_DIR names'
        print(f"demo: there is no {path}, although CORPUS_DIR is set", file=sys.stderr)
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("TROELSLLM_CACHE") or Path(user_cache, "troelsllm"), FILE_NAME)
    try:
        if path.is_file() and is_verdict(path.read_bytes()):
            return path, '"The Verdict", downloaded earlier'
        write(path, download())
        return path, f'"The Verdict", downloaded from {URL}'
    except OSError as error:
        story = Path("training/corpus/the-north-light.txt")
        return story, f'the project\'s own story, since "The Verdict" cannot be had from {URL}: {error}'


path, reason = find()
print(f"demo: the text is {path}: {reason}", file=sys.stderr)
print(path)
