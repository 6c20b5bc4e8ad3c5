"""Checks a server against its OpenAPI schema, with what that allows and forbids: check_schema.py URL [CASES].

Schemathesis makes the requests, at least CASES of them, from /openapi.json. It checks that what the
schema allows is accepted and the rest refused, that the server never fails, and that every status,
media type and body is one that the schema describes.
"""

import contextlib
import sys
import tempfile
from collections import Counter
from pathlib import Path

import requests
import schemathesis
from schemathesis.cli import schemathesis as command

MOST_TOKENS = 16  # of a text: each further one would be the same work again
MOST_CHARACTERS = 16  # of a prompt that must have at most 64 tokens, since a character can be four


def is_whole(value: object) -> bool:
    """Whether JSON Schema takes it for an integer: 7.0 is one too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0


def fit(path: str, body: dict, model: str, vocab_size: int) -> None:
    """Changes a valid body to one that this model can answer, where that is more than a schema can tell.

    A valid value becomes another valid one, so that an invalid body stays invalid.
    """
    prompt = body.get("prompt")
    # The longest names stay, as those of models that are not there.
    if isinstance(body.get("model"), str) and len(body["model"]) < 256:
        body["model"] = model
    if is_whole(body.get("max_tokens")) and MOST_TOKENS < body["max_tokens"] <= 1000:
        body["max_tokens"] = MOST_TOKENS
    if isinstance(prompt, list):
        body["prompt"] = [item % vocab_size if is_whole(item) and item >= 0 else item for item in prompt]
    if body.get("echo") is True and body.get("logprobs") is not None:
        body["echo"] = len(str(prompt)) <= MOST_CHARACTERS
    if path == "/inspect" and isinstance(prompt, str) and len(prompt) <= 16_384:
        body["prompt"] = prompt[:MOST_CHARACTERS]


def main(url: str, cases: int) -> None:
    status = requests.get(url, timeout=30).json()
    model, vocab_size = status["model"]["name"], status["model_info"]["vocab_size"]
    answers = Counter()

    @schemathesis.hook
    def before_call(_context, case, _kwargs):
        if isinstance(case.body, dict):
            fit(case.path, case.body, model, vocab_size)

    @schemathesis.hook
    def after_call(_context, _case, response):
        answers[response.status_code] += 1

    config = Path(__file__).with_name("schemathesis.toml").resolve()
    # Of each route: three take a body, and the others have next to nothing to vary.
    cases_of_route = str(cases // 3)
    arguments = ["--config-file", config, "--no-color", "run", f"{url}/openapi.json"]
    # It keeps what it finds in the current folder, and would begin with that the next time.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            command([*map(str, arguments), "--max-examples", cases_of_route])
        except SystemExit as exit:
            failed = exit.code
    print(f"schemathesis {schemathesis.__version__}: {answers.total()} cases, by status {dict(answers)}")
    if failed:
        sys.exit("the server and its schema differ, see above")
    assert answers.total() >= cases, f"expected at least {cases} cases"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
