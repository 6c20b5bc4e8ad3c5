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
    for name in ("max_tokens", "max_completion_tokens"):
        if is_whole(body.get(name)) and MOST_TOKENS < body[name]:
            body[name] = MOST_TOKENS
    if is_whole(body.get("min_tokens")) and body["min_tokens"] > 0:
        body["min_tokens"] = 0  # there may be fewer in all
    for name in ("n", "best_of"):
        if is_whole(body.get(name)) and 1 <= body[name] <= 128:
            body[name] = 1  # that many of each prompt, and no fewer than the others are
    for name in ("prompt", "tokens", "stop_token_ids"):
        if isinstance(body.get(name), list):
            body[name] = [in_vocabulary(item, vocab_size) for item in body[name]]
    biases = body.get("logit_bias")
    if isinstance(biases, dict) and all(name.isdecimal() for name in biases):
        body["logit_bias"] = {str(int(name) % vocab_size): bias for name, bias in biases.items()}
    if path == "/inspect" and isinstance(prompt, str) and len(prompt) <= 16_384:
        body["prompt"] = prompt[:MOST_CHARACTERS]


def in_vocabulary(item: object, vocab_size: int) -> object:
    """An id, or a list of ids, that the model has."""
    if isinstance(item, list):
        return [in_vocabulary(id, vocab_size) for id in item]
    return item % vocab_size if is_whole(item) and 0 <= item < 2**32 else item


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
    # Of each route, beside those that cover the values of each field: six take a body, and the others have next to
    # nothing to vary.
    cases_of_route = str(cases // 12)
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
