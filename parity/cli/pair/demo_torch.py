"""The reference: tokens to logits by a convolution and two blocks of causal attention, in PyTorch."""

import torch
from demo_weights import DEPTH, HEADS, KERNEL, VOCABULARY, WIDTH, weights
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """`(B, T, WIDTH)` to the same."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        h = self.norm1(x)
        q, k, v = (
            one(h).unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2) for one in (self.query, self.key, self.value)
        )
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(h.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.conv = nn.Conv1d(WIDTH, WIDTH, KERNEL)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        """`(B, T)` to `(B, T, VOCABULARY)`. The convolution sees what is before, never what comes."""
        x = self.embed(tokens).transpose(1, 2)
        x = x + F.leaky_relu(self.conv(F.pad(x, (KERNEL - 1, 0))), 0.1)
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def reference():
    model = Model().requires_grad_(False)
    model.load_state_dict({name: torch.tensor(value) for name, value in weights().items()}, strict=True)
    return model.eval()
