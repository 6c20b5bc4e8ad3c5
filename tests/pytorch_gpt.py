"""The network in PyTorch, under the names of LLMs-from-scratch, chapter 4.

Where PyTorch has a function for a whole part (LayerNorm, GELU, linear maps) it is used.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(d_model))
        self.shift = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.scale, self.shift, eps=1e-5)


class Attention(nn.Module):
    def __init__(self, d_model: int, n_heads: int, drop_rate: float, qkv_bias: bool, fused: bool) -> None:
        super().__init__()
        self.n_heads, self.fused = n_heads, fused
        self.W_query = nn.Linear(d_model, d_model, bias=qkv_bias)
        self.W_key = nn.Linear(d_model, d_model, bias=qkv_bias)
        self.W_value = nn.Linear(d_model, d_model, bias=qkv_bias)
        self.out_proj = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        def heads(linear: nn.Linear) -> Tensor:  # [batch, n_heads, seq, d_head]
            return linear(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

        queries, keys, values = heads(self.W_query), heads(self.W_key), heads(self.W_value)
        if self.fused:
            share = self.dropout.p if self.training else 0.0
            attended = F.scaled_dot_product_attention(queries, keys, values, dropout_p=share, is_causal=True)
            return self.out_proj(attended.transpose(1, 2).flatten(2))
        scores = queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(diagonal=1)
        weights = self.dropout(scores.masked_fill(future, -torch.inf).softmax(dim=-1))
        return self.out_proj((weights @ values).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()
        gelu = nn.GELU(approximate="tanh")
        self.layers = nn.Sequential(nn.Linear(d_model, 4 * d_model), gelu, nn.Linear(4 * d_model, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Block(nn.Module):
    def __init__(self, d_model: int, n_heads: int, drop_rate: float, qkv_bias: bool, fused: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(d_model), LayerNorm(d_model)
        self.att = Attention(d_model, n_heads, drop_rate, qkv_bias, fused)
        self.ff = FeedForward(d_model)
        self.dropout = nn.Dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.att(self.norm1(x)))
        return x + self.dropout(self.ff(self.norm2(x)))


class Gpt(nn.Module):
    """Token ids [batch, seq] to logits [batch, seq, vocab_size]; `config` has the keys of LLMs-from-scratch.

    With `fused_attention` in it, PyTorch's own function computes attention; with `tied_output_head` the head has the
    embedding's weights.
    """

    def __init__(self, config: dict) -> None:
        super().__init__()
        d_model, drop_rate = config["emb_dim"], config["drop_rate"]
        block = (d_model, config["n_heads"], drop_rate, config["qkv_bias"], config.get("fused_attention", False))
        self.tok_emb = nn.Embedding(config["vocab_size"], d_model)
        self.pos_emb = nn.Embedding(config["context_length"], d_model)
        self.dropout = nn.Dropout(drop_rate)
        self.trf_blocks = nn.Sequential(*(Block(*block) for _ in range(config["n_layers"])))
        self.final_norm = LayerNorm(d_model)
        self.out_head = nn.Linear(d_model, config["vocab_size"], bias=False)
        if config.get("tied_output_head", False):
            nn.init.normal_(self.tok_emb.weight, std=0.02)
            self.out_head.weight = self.tok_emb.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.dropout(self.tok_emb(ids) + self.pos_emb(torch.arange(ids.shape[1], device=ids.device)))
        return self.out_head(self.final_norm(self.trf_blocks(x)))
