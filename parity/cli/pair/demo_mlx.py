"""The port: the same in MLX, in which a convolution has its channels last."""

import mlx.core as mx
import mlx.nn as nn
from demo_weights import DEPTH, HEADS, KERNEL, VOCABULARY, WIDTH, weights


class Block(nn.Module):
    """`(B, T, WIDTH)` to the same."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def __call__(self, x):
        h = self.norm1(x)
        q, k, v = (mx.unflatten(one(h), -1, (HEADS, -1)).swapaxes(1, 2) for one in (self.query, self.key, self.value))
        scale = (WIDTH // HEADS) ** -0.5
        h = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal")
        x = x + self.out(h.swapaxes(1, 2).flatten(2))
        h = nn.gelu(self.up(self.norm2(x)))
        return x + self.down(h)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.conv = nn.Conv1d(WIDTH, WIDTH, KERNEL)
        self.blocks = [Block() for _ in range(DEPTH)]
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def __call__(self, tokens):
        """`(B, T)` to `(B, T, VOCABULARY)`."""
        x = self.embed(tokens)
        before = mx.pad(x, [(0, 0), (KERNEL - 1, 0), (0, 0)])
        x = x + nn.leaky_relu(self.conv(before), 0.1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def candidate():
    model = Model()
    stored = {name: value.swapaxes(1, 2) if value.ndim == 3 else value for name, value in weights().items()}
    model.load_weights([(name, mx.array(value)) for name, value in stored.items()], strict=True)
    return model
