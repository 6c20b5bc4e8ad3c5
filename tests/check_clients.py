"""Asks a server with clients of OpenAI's API, each as it comes: check_clients.py URL TEXT BITS_PER_BYTE CONTEXT.

LangChain, litellm, llm, and lm-eval, which must find BITS_PER_BYTE on TEXT: so many has `gpt evaluate`, for each token
but the first. The model may write nonsense.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

# No client calls home or asks for models elsewhere.
os.environ |= {"HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}

import requests

TOLERANCE = 1e-3  # bits per byte


def langchain(url: str, model: str) -> None:
    from langchain_openai import ChatOpenAI, OpenAI

    completions = OpenAI(base_url=f"{url}/v1", api_key="none", model=model)
    assert completions.invoke("The painting"), "no text"
    assert "".join(completions.stream("The painting")), "no stream"
    prompts = [f"The {count}" for count in range(20)]
    generations = completions.generate(prompts).generations
    assert len(generations) == len(prompts) and all(len(texts) == 1 for texts in generations), generations
    chat = ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=model)
    answer = chat.invoke("Hello")
    assert answer.usage_metadata["output_tokens"] > 0, answer
    assert len(list(chat.stream("Hello"))) > 1, "no stream"


def litellm(url: str, model: str) -> None:
    import litellm

    litellm.telemetry = False
    options = {"api_base": f"{url}/v1", "api_key": "none"}
    messages = [{"role": "user", "content": "Hello"}]
    answer = litellm.completion(model=f"openai/{model}", messages=messages, **options)
    assert answer.choices[0].finish_reason in ("stop", "length") and answer.usage.completion_tokens > 0, answer
    assert list(litellm.completion(model=f"openai/{model}", messages=messages, stream=True, **options)), "no stream"
    answer = litellm.text_completion(model=f"text-completion-openai/{model}", prompt=["The", "A"], **options)
    assert [choice.index for choice in answer.choices] == [0, 1], answer


def llm(url: str, model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entries = [{"model_id": "chat", "model_name": model, "api_base": f"{url}/v1"}]
        entries.append(entries[0] | {"model_id": "completion", "completion": True})
        # JSON is YAML.
        (Path(folder) / "extra-openai-models.yaml").write_text(json.dumps(entries))
        environment = os.environ | {"LLM_USER_PATH": folder, "OPENAI_API_KEY": "none"}
        for name in ("chat", "completion"):
            for options in ([], ["--no-stream"]):
                command = [sys.executable, "-m", "llm", "prompt", "-m", name, *options, "The painting"]
                said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                assert said.stdout.strip(), said


def lm_eval(url: str, model: str, text: str, expected: float, context: int) -> None:
    """By its default way, with the tokenizer of the server; and with windows as ours are, which makes it the same sum."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    def found(text: str, **options) -> float:
        client = LocalCompletionsAPI(base_url=f"{url}/v1/completions", model=model, **options)
        [total] = client.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (text,), 0)])
        return -total / len(text.encode()) / 0.6931471805599453

    ids = requests.post(f"{url}/tokenize", json={"prompt": text}, timeout=30).json()["tokens"]
    first = requests.post(f"{url}/detokenize", json={"tokens": ids[:1]}, timeout=30).json()["prompt"]
    rest = text.removeprefix(first)
    same = found(rest, custom_prefix_token_id=ids[0], max_length=context + 2)
    assert abs(same - expected) < TOLERANCE, f"lm-eval has {same} bits per byte, gpt evaluate {expected}"
    assert abs(found(text) - expected) < 0.05, f"expected about {expected} bits per byte"

    client = LocalCompletionsAPI(base_url=f"{url}/v1/completions", model=model, batch_size=4)
    pairs = [("The painting", " was"), ("A man", " and a woman"), ("", "The"), ("It", " is")]
    scores = client.loglikelihood([Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)])
    assert len(scores) == len(pairs) and all(score < 0 for score, _ in scores), scores
    until = [Instance("generate_until", {}, ("The painting", {"until": ["\n"], "max_gen_toks": 8}), 0)]
    assert len(client.generate_until(until)) == 1


def main(url: str, path: str, expected: str, context: str) -> None:
    model = requests.get(f"{url}/v1/models", timeout=30).json()["data"][0]["id"]
    for check in (langchain, litellm, llm):
        check(url, model)
        print(f"{check.__name__} as expected")
    lm_eval(url, model, Path(path).read_text(), float(expected), int(context))
    print(f"lm-eval {version('lm-eval')} as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
