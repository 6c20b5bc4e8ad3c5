"""Loads an exported folder as users of transformers do: check_hf_text.py FOLDER TOKENIZER_REFERENCE.json.

Prints the ids of a greedy continuation, to be compared with ours.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

PROMPT = "The painting was"
TOKENS = 20


def main(folder: Path, reference: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with tempfile.TemporaryDirectory() as other:
        for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
            shutil.copy(folder / name, other)
        by_files = AutoTokenizer.from_pretrained(other, local_files_only=True)
    cases = json.loads(reference.read_text())["cases"]
    for case in cases:
        if "<|endoftext|>" in case["text"]:
            continue  # transformers reads the spelling as the token
        for found in (tokenizer, by_files):
            assert found(case["text"])["input_ids"] == case["ids"], (case, type(found))
    assert tokenizer("<|endoftext|>")["input_ids"] == [50256]
    assert tokenizer.eos_token_id == 50256

    generate = pipeline("text-generation", model=str(folder))
    text = generate(PROMPT, max_new_tokens=TOKENS, do_sample=False)[0]["generated_text"]
    assert text.startswith(PROMPT), text
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(PROMPT, return_tensors="pt")
    generated = model.generate(**ids, max_new_tokens=TOKENS, do_sample=False)
    print(json.dumps(generated[0, ids["input_ids"].shape[1]:].tolist()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
