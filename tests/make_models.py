"""Makes models as other libraries write them, with the logits that these compute: make_models.py FOLDER.

Each folder in FOLDER holds a model and `expected.json`, with `ids` and `logits`.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 48, "vocab_size": 97}
CONTEXT_LENGTH = 32


class LayerNorm(nn.Module):
    """With an optional bias, as in nanoGPT."""

    def __init__(self, width: int, bias: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, n_embd: int, n_head: int, bias: bool):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd, bias=bias)
        self.c_proj = nn.Linear(n_embd, n_embd, bias=bias)
        self.n_head = n_head
        # A buffer that nanoGPT has where PyTorch has no flash attention.
        self.register_buffer("bias", torch.tril(torch.ones(CONTEXT_LENGTH, CONTEXT_LENGTH))[None, None])

    def forward(self, x):
        batch, seq, width = x.shape
        heads = [part.view(batch, seq, self.n_head, -1).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2)]
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(batch, seq, width))


class Mlp(nn.Module):
    def __init__(self, n_embd: int, bias: bool):
        super().__init__()
        self.c_fc = nn.Linear(n_embd, 4 * n_embd, bias=bias)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * n_embd, n_embd, bias=bias)

    def forward(self, x):
        return self.c_proj(self.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, n_embd: int, n_head: int, bias: bool):
        super().__init__()
        self.ln_1, self.attn = LayerNorm(n_embd, bias), Attention(n_embd, n_head, bias)
        self.ln_2, self.mlp = LayerNorm(n_embd, bias), Mlp(n_embd, bias)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class NanoGpt(nn.Module):
    """Names and arithmetic of nanoGPT's `model.py`."""

    def __init__(self, n_layer: int, n_head: int, n_embd: int, vocab_size: int, block_size: int, bias: bool, dropout: float):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocab_size, n_embd),
            "wpe": nn.Embedding(block_size, n_embd),
            "h": nn.ModuleList(Block(n_embd, n_head, bias) for _ in range(n_layer)),
            "ln_f": LayerNorm(n_embd, bias),
        })
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3)

    def forward(self, ids):
        x = self.transformer.wte(ids) + self.transformer.wpe(torch.arange(ids.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


def write_expected(folder: Path, logits_of) -> None:
    ids = torch.randint(0, SHAPE["vocab_size"], (2, 20))
    with torch.inference_mode():
        logits = logits_of(ids)
    expected = {"ids": ids.tolist(), "logits": logits.flatten().tolist()}
    (folder / "expected.json").write_text(json.dumps(expected))


def hugging_face(**settings) -> GPT2LMHeadModel:
    model = GPT2LMHeadModel(GPT2Config(**SHAPE, n_positions=CONTEXT_LENGTH, **settings))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def save_hugging_face(folder: Path, **settings) -> GPT2LMHeadModel:
    model = hugging_face(**settings)
    model.save_pretrained(folder, max_shard_size="60KB" if folder.name == "sharded" else "1GB")
    write_expected(folder, lambda ids: model(ids).logits)
    return model


def save_bin_shards(folder: Path) -> None:
    """As transformers wrote them before it wrote safetensors: the tied head included."""
    model = save_hugging_face(folder)
    (folder / "model.safetensors").unlink()
    names = sorted(model.state_dict())
    parts = [names[0::2], names[1::2]]
    files = [f"pytorch_model-{number:05}-of-00002.bin" for number in (1, 2)]
    for file, part in zip(files, parts):
        torch.save({name: model.state_dict()[name].clone() for name in part}, folder / file)
    weight_map = {name: file for file, part in zip(files, parts) for name in part}
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    # Without the field, transformers ties GPT-2's head.
    config = json.loads((folder / "config.json").read_text())
    config.pop("tie_word_embeddings", None)
    (folder / "config.json").write_text(json.dumps(config))


def save_nano_gpt(folder: Path, bias: bool, prefix: str) -> None:
    """As nanoGPT's `train.py` writes `ckpt.pt`; with `torch.compile`, names have a prefix."""
    folder.mkdir()
    model_args = {**SHAPE, "block_size": CONTEXT_LENGTH, "bias": bias, "dropout": 0.1}
    model = NanoGpt(**model_args)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    F.cross_entropy(model(torch.tensor([[1, 2, 3]])).flatten(0, 1), torch.tensor([2, 3, 4])).backward()
    optimizer.step()
    checkpoint = {
        "model": {prefix + name: value for name, value in model.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "model_args": model_args,
        "iter_num": 1,
        "best_val_loss": torch.tensor(4.5),
        "config": {"out_dir": "out", "batch_size": 12, "dtype": "bfloat16", "compile": True},
    }
    torch.save(checkpoint, folder / "ckpt.pt")
    write_expected(folder, model.eval())


def main(folder: Path) -> None:
    torch.manual_seed(1)
    save_hugging_face(folder / "sharded")
    save_hugging_face(folder / "exact-gelu", activation_function="gelu")
    save_hugging_face(folder / "untied", tie_word_embeddings=False)
    save_bin_shards(folder / "sharded-bin")
    save_nano_gpt(folder / "nano", bias=False, prefix="_orig_mod.")
    save_nano_gpt(folder / "nano-bias", bias=True, prefix="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
