"""Asks an exported model as users of transformers do: check_chat_template.py FOLDER CONVERSATIONS.json.

Prints the ids of each conversation, of which the first is also answered.
"""

import json
import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

MAX_TOKENS = 20


def main(folder: Path, conversations: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    (folder / "chat_template.jinja").rename(folder / "elsewhere")
    by_field = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    (folder / "elsewhere").rename(folder / "chat_template.jinja")

    def ids(tokenizer: AutoTokenizer, messages: list[dict[str, str]]) -> list[int]:
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]

    cases = json.loads(conversations.read_text())
    found = [ids(tokenizer, messages) for messages in cases]
    assert found == [ids(by_field, messages) for messages in cases]

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    prompt = tokenizer.apply_chat_template(
        cases[0], add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    generated = model.generate(**prompt, max_new_tokens=MAX_TOKENS, do_sample=False)
    print(json.dumps({"ids": found, "answer": generated[0, prompt["input_ids"].shape[1] :].tolist()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
