"""nanoGPT's recipe for CPUs in PyTorch, for a given time: nanogpt.py RUN.json.

A GPT of 4 layers, 128 wide, with a tied head, context 64, batches of 12 random windows, AdamW from 1e-3 along a cosine
to 1e-4, no dropout (nanoGPT's README, "i only have a macbook"). The cosine ends when the time is over. `RUN.json` has
the files of both texts, the seconds, the number of threads, the seed, and the file of a tokenizer; without one, tokens
are characters. Prints the loss on the whole held-out text, in bits per byte, as JSON.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

LAYERS, WIDTH, HEADS, CONTEXT, BATCH = 4, 128, 4, 64, 12
HIGHEST_RATE, LOWEST_RATE, WARMUP_STEPS = 1e-3, 1e-4, 100


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.expand, self.contract = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        heads = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(WIDTH, dim=2))
        attended = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_residual = name.endswith(("out.weight", "contract.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if into_residual else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def loss(model: Gpt, ids: Tensor, targets: Tensor, reduction: str) -> Tensor:
    return F.cross_entropy(model(ids).flatten(0, 1), targets.flatten(), reduction=reduction)


def train(model: Gpt, ids: Tensor, seconds: float) -> int:
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    vectors = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=HIGHEST_RATE, betas=(0.9, 0.99))
    start, step = time.perf_counter(), 0
    while (progress := (time.perf_counter() - start) / seconds) < 1:
        rate = LOWEST_RATE + (HIGHEST_RATE - LOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / WARMUP_STEPS)
        starts = torch.randint(len(ids) - CONTEXT, (BATCH,))
        windows = torch.stack([ids[start : start + CONTEXT + 1] for start in starts])
        optimizer.zero_grad(set_to_none=True)
        loss(model, windows[:, :-1], windows[:, 1:], "mean").backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
    return step


@torch.no_grad()
def nats(model: Gpt, ids: Tensor) -> float:
    """The loss on all ids but the first, in adjacent windows."""
    total = 0.0
    for first in range(0, len(ids) - 1, CONTEXT):
        window = ids[first : first + CONTEXT + 1][None]
        total += loss(model, window[:, :-1], window[:, 1:], "sum").item()
    return total


def main(run: dict) -> None:
    torch.set_num_threads(run["threads"])
    torch.manual_seed(run["seed"])
    texts = [Path(run[name]).read_text("utf-8") for name in ("training", "held_out")]
    if run["tokenizer"]:
        tokenizer = Tokenizer.from_file(run["tokenizer"])
        vocab_size = tokenizer.get_vocab_size()
        training, held_out = (tokenizer.encode(text).ids for text in texts)
        first_bytes = len(tokenizer.decode(held_out[:1]).encode())
    else:
        # As nanoGPT does: the characters of both texts.
        known = {character: id for id, character in enumerate(sorted(set("".join(texts))))}
        vocab_size = len(known)
        training, held_out = ([known[character] for character in text] for text in texts)
        first_bytes = len(texts[1][0].encode())
    model = Gpt(vocab_size)
    steps = train(model, torch.tensor(training), run["seconds"])
    bits = nats(model.eval(), torch.tensor(held_out)) / math.log(2)
    size = len(texts[1].encode()) - first_bytes
    print(json.dumps({"bits_per_byte": bits / size, "steps": steps, "tokens": steps * BATCH * CONTEXT, "bytes": size}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
