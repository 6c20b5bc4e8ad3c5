"""Loads an exported folder into transformers: check_transformers.py FOLDER REFERENCE_DIR."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import GPT2LMHeadModel

TOLERANCE = 1e-4


def main(folder: Path, reference: Path) -> None:
    model, report = GPT2LMHeadModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    problems = {kind: names for kind, names in report.items() if names}
    assert not problems, f"transformers is not content with the names: {problems}"

    input_ids = torch.tensor(json.loads((reference / "expected.json").read_text())["input_ids"])
    with torch.inference_mode():
        logits = model.eval()(input_ids).logits
    difference = float(np.abs(logits.numpy() - np.load(reference / "logits.npy")).max())
    print(f"largest difference of logits in transformers {transformers.__version__}: {difference:e}")
    assert difference <= TOLERANCE


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
