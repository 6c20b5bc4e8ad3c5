"""Tokenizers by Hugging Face's libraries.

check_tokenizer.py make FOLDER CORPUS.txt adds a byte-level BPE whose special tokens come first, as ByteLevelBPETokenizer
trains it. check_tokenizer.py check FOLDER CASES.json compares the ids of texts with those that AutoTokenizer gives.
"""

import json
import sys
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def make(folder: Path, corpus: Path) -> None:
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train([str(corpus)], vocab_size=500, min_frequency=2, special_tokens=SPECIAL_TOKENS, show_progress=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def check(folder: Path, reference: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    expected = json.loads(reference.read_text())
    for case in expected["cases"]:
        found = tokenizer(case["text"])["input_ids"]
        assert found == case["ids"], (case, found)
        assert tokenizer.decode(found, clean_up_tokenization_spaces=False) == case["text"], case
    assert tokenizer.eos_token_id == expected["end_of_text"], tokenizer.eos_token_id


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
