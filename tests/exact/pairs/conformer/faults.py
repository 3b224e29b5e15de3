"""Faults of the Conformer's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "return self.down(h)": "x = x + 0.5 * self.ff1(x)",
    "q.transpose": "content = torch.einsum(",
    "place = ((q + self.v).transpose(0, 2, 1, 3) @ p)[..., :length]": "place = place.gather(",
    "scores = scores + 0.0": "scores = scores.masked_fill(",
    "h = h * 1.0": "x = F.glu(",
    "h = self.depthwise(h)": "return self.pointwise2(",
    "x = self.attn(x, mask)": "x = x + self.attention(",
    "return x": "return self.norm(x)",
    "h = nn.silu(self.up(x))": "return self.linear2(",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "conformer",
    ("return 0.5 * self.down(h)", "return self.down(h)", "", "0.5"),
    ("x = x * math.sqrt(DIM)", "x = x / math.sqrt(DIM)", "", "4|0.25|factor"),
    (
        "np.arange(length - 1, -length, -1)",
        "np.arange(-length + 1, length)",
        "self.wp(",
        "arange|order|position|revers|constant|sin",
    ),
    (
        "np.arange(length - 1, -length, -1)",
        "np.arange(length, -length + 1, -1)",
        "self.wp(",
        "arange|position|constant|sin",
    ),
    (
        "rate = 10000.0 ** (-np.arange(0, DIM, 2) / DIM)",
        "rate = 10000.0 ** (-np.arange(0, DIM, 2) / (DIM - 2))",
        "self.wp(",
        "exp|constant|position",
    ),
    (
        "table[:, 0::2] = np.sin(distance[:, None] * rate)",
        "table[:, 0::2] = np.sin(distance[:, None] / rate)",
        "self.wp(",
        "sin|constant",
    ),
    (
        "return mx.array(table.astype(np.float32))",
        "return mx.array(np.concatenate([table[:, 0::2], table[:, 1::2]], 1).astype(np.float32))",
        "self.wp(",
        "order|stack|constant",
    ),
    ("(q + self.u).transpose", "(q + self.v).transpose", "", "bias_u", "bias_v"),
    ("(q + self.u).transpose", "q.transpose", "", "bias_u"),
    ("content + place) / math.sqrt(DIM // HEADS)", "content) / math.sqrt(DIM // HEADS) + place", "", "/|2.8284271"),
    ("(content + place) / math.sqrt(DIM // HEADS)", "(content + place) / math.sqrt(DIM)", "", "2.8284271|factor"),
    ("[:, :, 1:]", "[:, :, :-1]", "", "slice|gather|shift|pad|place"),
    (
        "place = self.shifted((q + self.v).transpose(0, 2, 1, 3) @ p)",
        "place = ((q + self.v).transpose(0, 2, 1, 3) @ p)[..., :length]",
        "",
        "gather|slice",
    ),
    (
        "mx.where(mask[:, None, None] == 0, -1e9, scores)",
        "mx.where(mask[:, None, :, None] == 0, -1e9, scores)",
        "",
        "mask|where|masked_fill",
    ),
    (
        "scores = mx.where(mask[:, None, None] == 0, -1e9, scores)",
        "scores = scores + 0.0",
        "",
        "mask|where|masked_fill",
    ),
    (
        "mx.where(mask[:, None, None] == 0, -1e9, scores)",
        "mx.where(mask[:, None, None] == 0, 0.0, scores)",
        "",
        "mask|where|-1e9|-1e+09|-1000000000",
    ),
    (
        "out = mx.softmax(scores, axis=-1) @ v",
        "out = mx.softmax(scores, axis=-1).astype(mx.float16).astype(mx.float32) @ v",
        "",
        "float16",
    ),
    (
        "self.wk(x).reshape(batch, length, HEADS, -1).transpose(0, 2, 3, 1)",
        "self.wk(x).reshape(batch, length, -1, HEADS).transpose(0, 3, 2, 1)",
        "",
        "order|reshape",
    ),
    ("a * mx.sigmoid(b)", "b * mx.sigmoid(a)", "", "glu|sigmoid"),
    ("h = a * mx.sigmoid(b)", "h = a * nn.silu(b)", "", "glu|sigmoid"),
    ("h = h * mask[..., None]", "h = h * 1.0", "", "mask|input 1"),
    ("h = self.bn(self.depthwise(h))", "h = self.depthwise(h)", "", "batch_norm"),
    (
        "h = self.bn(self.depthwise(h))",
        "h = self.bn(self.depthwise(mx.pad(h, [(0, 0), (2, 0), (0, 0)])))[:, : h.shape[1]]",
        "",
        "pad|places|shift",
    ),
    ("self.out(nn.silu(h))", "self.out(nn.relu(h))", "", "silu", "relu|maximum"),
    (
        "self.bn = nn.BatchNorm(DIM)",
        "self.bn = nn.BatchNorm(DIM, eps=1e-3)",
        "self.bn(self.depthwise(h))",
        "1e-05",
        "0.001",
    ),
    ("x = x + self.attn(x, mask)", "x = self.attn(x, mask)", "", "+ "),
    ("x = x + self.second(x)", "x = x + self.first(x)", "", "ff2|ff1"),
    ("return self.ln(x)", "return x", "", "norm"),
    ("h = nn.silu(self.up(self.ln(x)))", "h = nn.silu(self.up(x))", "", "norm"),
    (
        "x = self.ln(x)",
        "x = x - mx.mean(x, axis=-1, keepdims=True); x = x / mx.sqrt(mx.sum(x * x, -1, keepdims=True) / (DIM - 1) + 1e-5) * self.ln.weight + self.ln.bias",
        "",
        "15|layer_norm",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "conformer",
    ("h = a * mx.sigmoid(b)", "h = a / (1 + mx.exp(-b))"),
    ("scores = mx.where(mask[:, None, None] == 0, -1e9, scores)", "scores = scores + (1 - mask[:, None, None]) * -1e9"),
    (
        "rate = 10000.0 ** (-np.arange(0, DIM, 2) / DIM)",
        "rate = np.exp(-math.log(10000.0) / DIM * np.arange(0, DIM, 2))",
    ),
    (
        "scores = (content + place) / math.sqrt(DIM // HEADS)",
        "scores = content * (DIM / HEADS) ** -0.5 + place * (DIM / HEADS) ** -0.5",
    ),
)
