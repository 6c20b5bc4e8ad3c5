"""Checks an exported tiny-gpt with Python's tools: check_onnx.py MODEL.onnx REFERENCE_DIR."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4


def main(model: Path, reference: Path) -> None:
    onnx.checker.check_model(str(model), full_check=True)
    domains = {opset.domain for opset in onnx.load(model).opset_import}
    assert domains == {""}, f"expected standard operators only, found {domains}"

    expected = json.loads((reference / "expected.json").read_text())
    input_ids = np.array(expected["input_ids"], dtype=np.int64)
    batch, seq = input_ids.shape
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    feeds = {
        "input_ids": input_ids,
        "position_ids": np.tile(np.arange(seq, dtype=np.int64), (batch, 1)),
        "logit_positions": np.arange(seq, dtype=np.int64),
    }
    n_heads = expected["config"]["n_heads"]
    d_head = expected["config"]["emb_dim"] // n_heads
    for value in session.get_inputs():
        if value.name.startswith("past_key_values."):
            feeds[value.name] = np.zeros((batch, n_heads, 0, d_head), dtype=np.float32)
    logits = session.run(["logits"], feeds)[0]
    difference = float(np.abs(logits - np.load(reference / "logits.npy")).max())
    print(f"largest difference of a batch of {batch} to PyTorch, from Python: {difference:e}")
    assert difference <= TOLERANCE


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
