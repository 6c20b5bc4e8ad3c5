"""Loads weights into PyTorch: check_pytorch.py MODEL.safetensors REFERENCE_DIR.

The file must match the names of LLMs-from-scratch one to one.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from pytorch_gpt import Gpt
from safetensors.torch import load_file

TOLERANCE = 1e-4


def main(weights: Path, reference: Path) -> None:
    expected = json.loads((reference / "expected.json").read_text())
    model = Gpt(expected["config"])
    model.load_state_dict(load_file(weights), strict=True)
    with torch.inference_mode():
        logits = model.eval()(torch.tensor(expected["input_ids"]))
    difference = float(np.abs(logits.numpy() - np.load(reference / "logits.npy")).max())
    print(f"largest difference of logits in PyTorch {torch.__version__}: {difference:e}")
    assert difference <= TOLERANCE


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
