"""PyTorch, eager, float32: `uncached` computes the whole text anew for each token, `cached` does not."""

import torch
from torch import Tensor
from torch.nn import functional as F

from peers.measure import Continue, arguments, measure
from peers.weights import read_weights
from pytorch_gpt import Block, Gpt


def load(run: dict) -> Gpt:
    config = run["config"]
    names = {"emb_dim": "d_model", "drop_rate": "dropout"}
    keys = ("vocab_size", "context_length", "emb_dim", "n_heads", "n_layers", "drop_rate", "qkv_bias")
    with torch.device("meta"):  # no time for an initialisation that is overwritten
        model = Gpt({key: config[names.get(key, key)] for key in keys})
    weights = {name: torch.from_numpy(values) for name, values in read_weights(run).items()}
    model.load_state_dict(weights, assign=True)
    return model.eval()


def choose(logits: Tensor, temperature: float, top_k: int) -> int:
    if temperature == 0:
        return int(logits.argmax())
    values, ids = logits.topk(top_k)
    return int(ids[torch.multinomial((values / temperature).softmax(dim=-1), 1)])


def uncached(model: Gpt) -> Continue:
    def continue_prompt(prompt: list[int], tokens: int, temperature: float, top_k: int) -> list[int]:
        ids = list(prompt)
        for _ in range(tokens):
            ids.append(choose(model(torch.tensor([ids]))[0, -1], temperature, top_k))
        return ids[len(prompt) :]

    return continue_prompt


def cached(model: Gpt) -> Continue:
    def continue_prompt(prompt: list[int], tokens: int, temperature: float, top_k: int) -> list[int]:
        d_model, n_heads = model.tok_emb.embedding_dim, model.trf_blocks[0].att.n_heads
        rows = (2, 1, n_heads, len(prompt) + tokens, d_model // n_heads)
        caches = [torch.empty(rows) for _ in model.trf_blocks]  # keys and values
        new, past, ids = prompt, 0, []
        for _ in range(tokens):
            x = model.tok_emb(torch.tensor([new])) + model.pos_emb(torch.arange(past, past + len(new)))
            for block, cache in zip(model.trf_blocks, caches, strict=True):
                x = run_block(block, x, cache, past)
            past += len(new)
            new = [choose(model.out_head(model.final_norm(x[:, -1]))[0], temperature, top_k)]
            ids += new
        return ids

    return continue_prompt


def run_block(block: Block, x: Tensor, cache: Tensor, past: int) -> Tensor:
    """One block for the positions after `past`, which it adds to its keys and values."""
    attention, normed, total = block.att, block.norm1(x), past + x.shape[1]
    projections = (attention.W_query, attention.W_key, attention.W_value)
    queries, *new = (p(normed).unflatten(-1, (attention.n_heads, -1)).transpose(1, 2) for p in projections)
    cache[..., past:total, :] = torch.stack(new)
    keys, values = cache[..., :total, :]
    # Several positions at once are only ever the first ones, a single one sees everything.
    context = F.scaled_dot_product_attention(queries, keys, values, is_causal=x.shape[1] > 1)
    x = x + attention.out_proj(context.transpose(1, 2).flatten(2))
    return x + block.ff(block.norm2(x))


if __name__ == "__main__":
    variant, run, threads, seed = arguments()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    with torch.inference_mode():
        model = load(run)
        ways = {"uncached": uncached, "cached": cached}
        measure(f"PyTorch {torch.__version__}", run, ways[variant](model), brief=True)
