"""Checks a server with OpenAI's own client: check_openai.py URL.

It knows GPT-2's tokenizer, but not what the model writes: a model that writes nonsense will do.
"""

import sys
from itertools import accumulate

import openai
from openai import OpenAI
from openai.types import Completion, CompletionChoice

PROMPT = "The painting"
PROMPT_IDS = [464, 12036]  # the same to GPT-2
TOKENS = 20
SEEDS = range(1, 21)


class Server:
    """A server and the one model that it has."""

    def __init__(self, url: str) -> None:
        self.client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30)
        self.models = self.client.models.list().data
        self.model = self.models[0].id

    def complete(self, **options) -> Completion:
        """A completion; greedy, if nothing else is said."""
        defaults = {"model": self.model, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
        return self.client.completions.create(**(defaults | options))

    def choice(self, **options) -> CompletionChoice:
        return self.complete(**options).choices[0]

    def text(self, **options) -> str:
        return self.choice(**options).text


def equal(found, expected) -> None:
    assert found == expected, f"expected {expected!r}, found {found!r}"


def models(server: Server) -> None:
    equal([(model.object, model.owned_by) for model in server.models], [("model", "troelsllm")])
    assert server.models[0].created > 0, server.models
    name, version = server.model.split("/")
    assert version, server.model
    equal(server.complete(model=name).model, server.model)


def completion(server: Server) -> None:
    answer = server.complete()
    equal((answer.object, answer.model), ("text_completion", server.model))
    assert answer.id.startswith("cmpl-") and answer.created >= server.models[0].created, answer
    assert answer._request_id, "the header x-request-id is missing"
    [choice] = answer.choices
    equal((choice.index, choice.logprobs), (0, None))
    assert choice.text, choice
    usage = answer.usage
    equal(usage.prompt_tokens, len(PROMPT_IDS))
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    # A model may end its text by itself, at the latest with the last token.
    ended = usage.completion_tokens < TOKENS
    assert choice.finish_reason in (["stop"] if ended else ["stop", "length"]), choice


def stream(server: Server) -> None:
    options = {"temperature": 1, "seed": 7, "n": 2}
    whole = server.complete(**options)
    *pieces, last = server.complete(**options, stream=True, stream_options={"include_usage": True})
    equal((last.choices, last.usage), ([], whole.usage))
    equal({piece.usage for piece in pieces}, {None})
    equal({piece.id for piece in pieces}, {last.id})
    for choice in whole.choices:
        mine = [piece.choices[0] for piece in pieces if piece.choices[0].index == choice.index]
        equal("".join(piece.text for piece in mine), choice.text)
        equal({piece.finish_reason for piece in mine[:-1]}, {None})
        equal(mine[-1].finish_reason, choice.finish_reason)
    assert all(piece.usage is None for piece in server.complete(stream=True))


def several(server: Server) -> None:
    options = {"temperature": 2, "seed": 7}
    answer = server.complete(n=2, **options)
    equal([choice.index for choice in answer.choices], [0, 1])
    first, second = (choice.text for choice in answer.choices)
    assert first != second, f"both texts are {first!r}"
    equal(second, server.text(**(options | {"seed": 8})))
    assert answer.usage.completion_tokens > TOKENS, answer.usage


def seed(server: Server) -> None:
    first, *others = (server.text(temperature=1, seed=seed) for seed in SEEDS)
    equal(server.text(temperature=1, seed=SEEDS[0]), first)
    assert any(text != first for text in others), f"every seed gives {first!r}"


def stop(server: Server) -> None:
    whole = server.text()
    text = max(whole.split("\ufffd"), key=len)  # of whole characters
    middle = len(text) // 2
    stop = text[middle : middle + 3]
    expected = whole[: whole.index(stop)]
    for stops in (stop, [stop], ["\x00 never", stop]):
        answer = server.complete(stop=stops)
        [choice] = answer.choices
        equal((choice.text, choice.finish_reason), (expected, "stop"))
        assert answer.usage.completion_tokens <= TOKENS, answer.usage
    sixteen = [f"\x00{index}" for index in range(15)] + [stop]
    equal(server.text(stop=sixteen), expected)
    pieces = list(server.complete(stop=stop, stream=True))
    equal("".join(piece.choices[0].text for piece in pieces), expected)


def offsets(tokens: list[str]) -> list[int]:
    """Where in their text tokens begin."""
    return [0, *accumulate(map(len, tokens))][:-1]


def are_texts(tokens: list[str]) -> bool:
    """Whether no token is a part of a character, which has no text by itself."""
    return not any(token.startswith("bytes:") for token in tokens)


def logprobs(server: Server) -> None:
    answer = server.complete(logprobs=3)
    scores = answer.choices[0].logprobs
    for scored in (scores.tokens, scores.token_logprobs, scores.top_logprobs, scores.text_offset):
        equal(len(scored), answer.usage.completion_tokens)
    for token, logprob, top in zip(scores.tokens, scores.token_logprobs, scores.top_logprobs):
        assert logprob <= 0 and len(top) == 3, (token, logprob, top)
        equal(top[token], logprob)
        equal(max(top.values()), logprob)  # it is greedy

    drawn = (server.choice(logprobs=0, temperature=1, seed=seed, max_tokens=8) for seed in SEEDS)
    decodable = [choice for choice in drawn if are_texts(choice.logprobs.tokens)]
    assert decodable, "every text has a token that is no text"
    for choice in decodable:
        scores = choice.logprobs
        text = scores.tokens[:-1] if choice.finish_reason == "stop" else scores.tokens
        equal("".join(text), choice.text)
        equal(scores.text_offset, offsets(scores.tokens))
        # Of no other tokens than the one that was chosen.
        equal(scores.top_logprobs, [{t: p} for t, p in zip(scores.tokens, scores.token_logprobs)])

    options = {"logprobs": 2, "temperature": 1, "seed": 7}
    whole = server.choice(**options).logprobs
    pieces = [piece.choices[0].logprobs for piece in server.complete(**options, stream=True)]
    for field in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        parts = [getattr(piece, field) for piece in pieces if piece]
        equal(sum(parts, []), getattr(whole, field))


def echo(server: Server) -> None:
    equal(server.text(echo=True), PROMPT + server.text())
    answer = server.complete(echo=True, logprobs=1)
    scores = answer.choices[0].logprobs
    equal(len(scores.tokens), answer.usage.total_tokens)
    equal(scores.tokens[: len(PROMPT_IDS)], ["The", " painting"])
    equal((scores.token_logprobs[0], scores.top_logprobs[0]), (None, None))
    assert None not in scores.token_logprobs[1:], scores.token_logprobs
    equal(scores.text_offset[: len(PROMPT_IDS) + 1], offsets(["The", " painting", ""]))

    # With no tokens it only scores the prompt, as evaluation tools do.
    prompt = server.complete(echo=True, logprobs=1, max_tokens=0)
    equal((prompt.choices[0].text, prompt.usage.completion_tokens), (PROMPT, 0))
    equal(prompt.choices[0].logprobs.token_logprobs, scores.token_logprobs[: len(PROMPT_IDS)])


def prompts(server: Server) -> None:
    expected = server.complete()
    for prompt in (PROMPT_IDS, [PROMPT], [PROMPT_IDS]):
        answer = server.complete(prompt=prompt)
        equal((answer.choices[0].text, answer.usage), (expected.choices[0].text, expected.usage))
    answer = server.complete(prompt=[PROMPT, "A man"], n=2, temperature=1, seed=3)
    equal([choice.index for choice in answer.choices], [0, 1, 2, 3])


def chat(server: Server) -> None:
    options = {"model": server.model, "messages": [{"role": "user", "content": "Hello"}], "seed": 3}
    answer = server.client.chat.completions.create(**options, max_completion_tokens=TOKENS, logprobs=True, top_logprobs=2)
    equal((answer.object, answer.system_fingerprint), ("chat.completion", "chat-template-plain"))
    [choice] = answer.choices
    equal((choice.message.role, len(choice.logprobs.content)), ("assistant", answer.usage.completion_tokens))
    assert answer.usage.completion_tokens <= TOKENS and choice.finish_reason in ("stop", "length"), answer
    first, *pieces, last = server.client.chat.completions.create(
        **options, max_tokens=TOKENS, stream=True, stream_options={"include_usage": True}
    )
    equal((first.choices[0].delta.role, last.choices, last.usage), ("assistant", [], answer.usage))
    equal("".join(piece.choices[0].delta.content or "" for piece in pieces), choice.message.content)
    equal(pieces[-1].choices[0].finish_reason, choice.finish_reason)


def defaults(server: Server) -> None:
    """Nothing but what must be said."""
    assert server.client.completions.create(model=server.model, prompt=PROMPT).choices[0].text
    messages = [{"role": "user", "content": "Hello"}]
    assert server.client.chat.completions.create(model=server.model, messages=messages).choices
    equal(server.client.models.retrieve(server.model), server.models[0])
    equal(server.client.models.retrieve(server.model.split("/")[0]), server.models[0])


def errors(server: Server) -> None:
    try:
        server.complete(model="no-such-model")
        raise AssertionError("expected NotFoundError for an unknown model, found an answer")
    except openai.NotFoundError as error:
        equal((error.code, error.type), ("model_not_found", "invalid_request_error"))
        assert "no-such-model" in error.message and server.model in error.message, error
    for field, value in [
        ("temperature", -1),
        ("temperature", "hot"),
        ("max_tokens", -2),
        ("n", 0),
        ("logprobs", 21),
        ("prompt", [50_257]),
        ("stop", ["a"] * 17),
        ("suffix", "an end"),  # OpenAI's API has it, this one does not
    ]:
        try:
            server.complete(**{field: value})
            raise AssertionError(f"expected BadRequestError for {field}={value!r}, found an answer")
        except openai.BadRequestError as error:
            equal((error.code, error.type, error.param), ("invalid_field", "invalid_request_error", field))
            assert f"`{field}`" in error.message, error


def main(url: str) -> None:
    server = Server(url)
    for check in (models, completion, stream, several, seed, stop, logprobs, echo, prompts, chat, defaults, errors):
        check(server)
        print(f"openai {openai.__version__}: {check.__name__} as expected")


if __name__ == "__main__":
    main(sys.argv[1])
