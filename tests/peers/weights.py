"""The published weights as NumPy arrays, under the names of LLMs-from-scratch."""

import numpy as np
from safetensors.numpy import load_file


def read_weights(run: dict) -> dict[str, np.ndarray]:
    """With an output head, also where it is tied to the embedding."""
    weights = load_file(run["weights"])
    weights.setdefault("out_head.weight", weights["tok_emb.weight"])
    return weights


def packed_qkv(weights: dict[str, np.ndarray], block: str, kind: str) -> np.ndarray:
    """Queries, keys and values in one: `weight` is [3 * d_model, d_model]; an absent `bias` is zeros."""
    parts = [f"{block}.att.W_{part}" for part in ("query", "key", "value")]
    zeros = np.zeros(len(weights[f"{parts[0]}.weight"]), np.float32)
    default = zeros if kind == "bias" else None
    return np.concatenate([weights.get(f"{part}.{kind}", default) for part in parts])
