"""Faults of the U-Net's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "t[:, None] * freqs": "angles = 1000 * t",
    "h = h * scale + shift": "h = self.norm2(h) * (1 + scale)",
    "self.film(temb)": "scale, shift = self.time(",
    "h = self.c2(h)": "return self.conv2(F.silu(h))",
    "return h": "return self.conv2(F.silu(h))",
    "h = self.gn(h)": "return self.out(F.silu(",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "unet",
    ("nn.GroupNorm(GROUPS, taken, pytorch_compatible=True)", "nn.GroupNorm(GROUPS, taken)", "self.gn1(x)", "group"),
    (
        "nn.GroupNorm(GROUPS, given, eps=1e-5, pytorch_compatible=True)",
        "nn.GroupNorm(GROUPS, given, eps=1e-6, pytorch_compatible=True)",
        "h = self.gn2(h)",
        "1e-05",
        "1e-06",
    ),
    (
        "nn.GroupNorm(GROUPS, given, eps=1e-5, pytorch_compatible=True)",
        "nn.GroupNorm(8, given, eps=1e-5, pytorch_compatible=True)",
        "h = self.gn2(h)",
        "4",
        "8",
    ),
    (
        "nn.GroupNorm(GROUPS, width, eps=1e-6, pytorch_compatible=True)",
        "nn.GroupNorm(GROUPS, width, pytorch_compatible=True)",
        "self.gn(h)",
        "1e-06",
        "1e-05",
    ),
    (
        "h = self.gn2(h)",
        "h = mx.fast.layer_norm(h, self.gn2.weight, self.gn2.bias, 1e-5)",
        "",
        "group_norm",
        "layer_norm|layernorm",
    ),
    ("(-math.log(10000) / (half - 1))", "(-math.log(10000) / half)", "", "11", "12|0.76"),
    (
        "mx.concatenate([mx.sin(args), mx.cos(args)], axis=-1)",
        "mx.concatenate([mx.cos(args), mx.sin(args)], axis=-1)",
        "",
        "sin|order|cos",
    ),
    (
        "mx.concatenate([mx.sin(args), mx.cos(args)], axis=-1)",
        "mx.stack([mx.sin(args), mx.cos(args)], axis=-1).reshape(args.shape[0], -1)",
        "",
        "order|stack|concat",
    ),
    ("t[:, None] * 1000 * freqs", "t[:, None] * freqs", "", "1000|factor"),
    ("self.c1(nn.silu(self.gn1(x)))", "self.c1(nn.relu(self.gn1(x)))", "", "silu", "relu|maximum"),
    ("scale, shift = mx.split(", "shift, scale = mx.split(", "", "chunk|split|+ 1|1 + "),
    ("h = h * (1 + scale) + shift", "h = h * scale + shift", "", "1 + |+ 1"),
    ("h = h * (1 + scale) + shift", "h = (h + shift) * (1 + scale)", "", "+ "),
    ("self.film(nn.silu(temb))", "self.film(temb)", "", "silu"),
    ("self.film(nn.silu(temb))", "self.film(nn.mish(temb))", "", "silu", "mish|tanh|softplus"),
    ("h = self.c2(nn.silu(h))", "h = self.c2(h)", "", "silu"),
    ("return h + self.proj(x)", "return h", "", "skip"),
    ("return h + self.proj(x)", "return h + self.proj(nn.silu(x))", "", "silu"),
    ("self.time2(nn.mish(temb))", "self.time2(nn.silu(temb))", "", "mish", "silu|sigmoid"),
    (
        "self.mid(self.pool(skip), temb)",
        "self.mid(self.pool(mx.pad(skip, [(0, 0), (0, 1), (0, 0)])[:, 1:]), temb)",
        "",
        "pad|shift|slice|places",
    ),
    ("mx.repeat(h, 2, axis=1)", "mx.tile(h, (1, 2, 1))", "", "repeat|tile|interpolate|nearest|upsample|order"),
    ("h = mx.repeat(h, 2, axis=1)", 'h = nn.Upsample(2.0, mode="linear")(h)', "", "interpolate|nearest|upsample|order"),
    ("mx.concatenate([h, skip], axis=-1)", "mx.concatenate([skip, h], axis=-1)", "", "cat|order"),
    ("h = self.mid(self.pool(skip), temb)", "h = self.mid(self.pool(h), temb)", "", "down|inp"),
    ("h = self.dec(h, temb)", "h = self.dec(h, nn.silu(temb))", "", "silu"),
    ("h = nn.silu(self.gn(h))", "h = self.gn(h)", "", "silu"),
    ("return self.head(h)", "return self.head(h.astype(mx.bfloat16).astype(mx.float32))", "", "bfloat16"),
    ("h = self.unpool(h)", "h = self.unpool(h) - self.unpool.bias", "", "bias"),
    lacks=LACKS,
)

REWRITES = rewritten(
    "unet",
    ("h = mx.repeat(h, 2, axis=1)", "h = nn.Upsample(2.0)(h)"),
    ("h = h * (1 + scale) + shift", "h = h + h * scale + shift"),
    ("self.time2(nn.mish(temb))", "self.time2(temb * mx.tanh(mx.logaddexp(temb, 0)))"),
    ("mx.exp(mx.arange(half) * (-math.log(10000) / (half - 1)))", "mx.power(10000.0, -mx.arange(half) / (half - 1))"),
)
