"""Faults of the text encoder's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "scores = scores * 1.0": "scores = torch.matmul(q, k",
    "mx.softmax(scores, axis=-1)": "context = torch.matmul(",
    "x = words + 0 * self.position_embedding[: ids.shape[1]]": "x = self.norm(self.words(ids)",
    "out.reshape(batch, length, dim)": "return self.dense(",
    "h = self.attn(x, bias)": "x = self.attention_norm(x + self.attention",
    "self.pool(first)": "torch.tanh(self.pooler",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "encoder",
    ("self.ln1 = nn.LayerNorm(dim, eps=1e-12)", "self.ln1 = nn.LayerNorm(dim)", "self.ln1(h)", "1e-12", "1e-05"),
    (
        "self.ln2 = nn.LayerNorm(dim, eps=1e-12)",
        "self.ln2 = nn.LayerNorm(dim, eps=1e-6)",
        "self.ln2(h + y)",
        "1e-12",
        "1e-06",
    ),
    ("nn.gelu(self.fc1(h))", "nn.gelu_approx(self.fc1(h))", "", "gelu", "tanh"),
    ("nn.gelu(self.fc1(h))", "nn.gelu_fast_approx(self.fc1(h))", "", "gelu", "sigmoid"),
    ("scores * (dim // HEADS) ** -0.5", "scores * dim**-0.5", "", "factor|0.35355339|0.1767767|scale"),
    ("scores = scores * (dim // HEADS) ** -0.5", "scores = scores * 1.0", "", "factor|2.8284271"),
    ("mx.softmax(scores + bias, axis=-1)", "mx.softmax(scores + bias, axis=-2)", "", "axis"),
    ("mx.softmax(scores + bias, axis=-1)", "mx.softmax(scores, axis=-1)", "", "+ |bias|mask"),
    ("mx.softmax(scores + bias, axis=-1)", "mx.softmax(scores, axis=-1) * (bias == 0)", "", "softmax"),
    ("(1.0 - mask)[:, None, None] * -10000.0", "mask[:, None, None] * -10000.0", "", "1 - |mask|input 2"),
    ("(1.0 - mask)[:, None, None] * -10000.0", "(1.0 - mask)[:, None, None] * -1.0", "", "-10000", "-1"),
    (
        "self.position_embedding[: ids.shape[1]]",
        "self.position_embedding[1 : ids.shape[1] + 1]",
        "",
        "positions|rows|place",
    ),
    (
        "x = words + self.position_embedding[: ids.shape[1]]",
        "x = words + 0 * self.position_embedding[: ids.shape[1]]",
        "",
        "positions",
    ),
    ("self.type_embedding(segments)", "self.type_embedding(1 - segments)", "", "segments|1 - "),
    (
        "x = self.ln(x + self.type_embedding(segments))",
        "x = self.ln(x) + self.type_embedding(segments)",
        "",
        "norm",
        "segments",
    ),
    (
        "reshape(batch, length, 3, HEADS, dim // HEADS).transpose(2, 0, 3, 1, 4)",
        "reshape(batch, length, 3, dim // HEADS, HEADS).transpose(2, 0, 4, 1, 3)",
        "",
        "order|reshape",
    ),
    ("q, k, v = qkv[0], qkv[1], qkv[2]", "q, k, v = qkv[1], qkv[0], qkv[2]", "", "key", "query"),
    ("(weights @ v).transpose(0, 2, 1, 3)", "(weights @ v).transpose(0, 2, 3, 1)", "", "order|axes|transpose"),
    ("self.out_proj(out.reshape(batch, length, dim))", "out.reshape(batch, length, dim)", "", "dense"),
    ("h = x + self.attn(x, bias)", "h = self.attn(x, bias)", "", "x|+"),
    ("h = self.ln1(h)", "h = x + self.ln1(h - x)", "", "attention_norm"),
    ("return self.ln2(h + y)", "return h + self.ln2(y)", "", "output_norm"),
    ("mx.tanh(self.pool(first))", "self.pool(first)", "", "tanh"),
    ("first = x[:, 0]", "first = x[:, -1]", "", "0|first|slice|select"),
    ("first = x[:, 0]", "first = mx.mean(x, axis=1)", "", "mean"),
    ("weights @ v)", "weights.astype(mx.bfloat16).astype(mx.float32) @ v)", "", "bfloat16"),
    (
        "    weights = convert(state)",
        '    state["words.weight"][517] *= 1.01; weights = convert(state)',
        "self.token_embedding(ids)",
        "words",
        "517|row",
    ),
    (
        "    weights = convert(state)",
        '    state["layers.1.intermediate.bias"][:] = 0; weights = convert(state)',
        "self.fc1(h)",
        "layers.1.intermediate.bias",
    ),
    (
        "    weights = convert(state)",
        '    state["layers.0.attention.dense.weight"] = state["layers.0.attention.dense.weight"].T; weights = convert(state)',
        "self.out_proj(",
        "transposed|order|dense",
    ),
    (
        "    weights = convert(state)",
        '    state["layers.1.output_norm.weight"] = state["layers.0.output_norm.weight"]; weights = convert(state)',
        "self.ln2(h + y)",
        "layers.1.output_norm|layers.0.output_norm",
    ),
    (
        "    weights = convert(state)",
        '    state = {k: v.astype(np.float16).astype(np.float32) if "layers.1.output." in k else v for k, v in state.items()}; weights = convert(state)',
        "self.fc2(",
        "layers.1.output",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "encoder",
    ("scores = scores * (dim // HEADS) ** -0.5", "scores = scores / mx.sqrt(mx.array(dim / HEADS))"),
    ("y = self.fc2(nn.gelu(self.fc1(h)))", "y = self.fc2((lambda u: 0.5 * u * (1 + mx.erf(u / 2**0.5)))(self.fc1(h)))"),
    ("(1.0 - mask)[:, None, None] * -10000.0", "mx.where(mask[:, None, None] > 0, 0.0, -10000.0)"),
    (
        "return self.ln2(h + y)",
        "return (lambda u: (u - u.mean(-1, keepdims=True)) * mx.rsqrt(u.var(-1, keepdims=True) + 1e-12) * self.ln2.weight + self.ln2.bias)(y + h)",
    ),
)
