"""Faults of the decoder's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "h = x + self.attention(x, mask)": "x = x + self.self_attn(",
    "h = h * 1.0": "x = self.embed_tokens(tokens) * DIM**0.5",
    "self.tok_embeddings.as_linear(h)": "return self.norm(x) @",
    "scale=self.scale, mask=None)": "scores = q @ k.transpose(2, 3)",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "decoder",
    ("self.eps = 1e-5", "self.eps = 1e-6", "mx.fast.rms_norm(", "1e-05", "1e-06"),
    ("self.scale = HEAD**-0.5", "self.scale = 1 / HEAD", "mx.fast.scaled_dot", "scale|0.125|factor"),
    ("scale=self.scale, mask=mask)", "scale=1.0, mask=mask)", "", "scale|factor|0.35355339"),
    ("q, HEAD, traditional=False", "q, HEAD, traditional=True", "", "traditional"),
    ("rope(k, HEAD, traditional=False, base=10000.0", "rope(k, HEAD, traditional=False, base=1e6", "", "1000000|base"),
    (
        "rope(q, HEAD, traditional=False, base=10000.0, scale=1.0, offset=0)",
        "rope(q, HEAD, traditional=False, base=10000.0, scale=1.0, offset=1)",
        "",
        "offset",
    ),
    ("rope(k, HEAD, traditional", "rope(k, HEAD // 2, traditional", "", "dims|rope"),
    (
        "rope(k, HEAD, traditional=False, base=10000.0, scale=1.0",
        "rope(k, HEAD, traditional=False, base=10000.0, scale=0.5",
        "",
        "scale",
    ),
    ("rows[:, None] >= rows[None]", "rows[:, None] > rows[None] - 2", "", "mask|where|greater"),
    ("rows[:, None] >= rows[None], 0.0, -mx.inf", "rows[:, None] <= rows[None], 0.0, -mx.inf", "", "mask|where|less"),
    ("scale=self.scale, mask=mask)", "scale=self.scale, mask=None)", "", "mask"),
    ("0.0, -mx.inf).astype(h.dtype)", "0.0, -10.0).astype(h.dtype)", "", "-10"),
    (
        "k = k.reshape(batch, length, KV_HEADS, HEAD).transpose(0, 2, 1, 3)",
        "k = k.reshape(batch, length, HEAD, KV_HEADS).transpose(0, 3, 1, 2)",
        "",
        "order|reshape",
    ),
    ("scaled_dot_product_attention(q, k, v, scale", "scaled_dot_product_attention(q, v, k, scale", "", "attention"),
    (
        "out = mx.fast.scaled_dot_product_attention(q, k, v,",
        "out = mx.fast.scaled_dot_product_attention(q, mx.tile(k, (1, 2, 1, 1)), mx.tile(v, (1, 2, 1, 1)),",
        "",
        "tile|repeat|order|broadcast|concat",
    ),
    (
        "out.transpose(0, 2, 1, 3).reshape(batch, length, -1)",
        "out.reshape(batch, length, -1)",
        "",
        "order|transpose|axes",
    ),
    ("nn.silu(self.w1(x)) * self.w3(x)", "nn.silu(self.w3(x)) * self.w1(x)", "", "up_proj|gate_proj"),
    ("nn.silu(self.w1(x)) * self.w3(x)", "nn.gelu(self.w1(x)) * self.w3(x)", "", "silu", "gelu|erf"),
    ("return h + self.feed_forward(self.ffn_norm(h))", "return x + self.feed_forward(self.ffn_norm(h))", "", "x|y"),
    ("h = x + self.attention(self.attention_norm(x), mask)", "h = x + self.attention(x, mask)", "", "input_layernorm"),
    (
        "h + self.feed_forward(self.ffn_norm(h))",
        "h + self.feed_forward(self.ffn_norm(x))",
        "",
        "post_attention_layernorm",
    ),
    ("h = h * h.shape[-1] ** 0.5", "h = h * 1.0", "", "5.656854"),
    ("self.tok_embeddings.as_linear(self.final_norm(h))", "self.tok_embeddings.as_linear(h)", "", "norm"),
    ("self.tok_embeddings(tokens)", "self.tok_embeddings(mx.maximum(tokens - 1, 0))", "", "embed|rows"),
    ("self.final_norm(h))", "self.final_norm(h.astype(mx.float16)).astype(mx.float32))", "", "float16|half"),
    (
        "return mx.fast.rms_norm(x, self.weight, self.eps)",
        "return mx.fast.rms_norm(x, 1 + self.weight, self.eps)",
        "",
        "weight",
    ),
    (
        'made[name.replace("q_proj", "wqkv")] = fused',
        'made[name.replace("q_proj", "wqkv")] = np.concatenate([fused[:32], fused[48:], fused[32:48]])',
        "self.wqkv(x)",
        "k_proj|v_proj|wqkv",
    ),
    (
        "(name, mx.array(value)) for",
        '(name, mx.array(value.T if "wo" in name else value)) for',
        "self.wo(",
        "transposed|other order|o_proj",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "decoder",
    (
        "return mx.fast.rms_norm(x, self.weight, self.eps)",
        "return x / mx.sqrt(mx.mean(mx.square(x), axis=-1, keepdims=True) + self.eps) * self.weight",
    ),
    (
        "out = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.scale, mask=mask)",
        "out = mx.softmax(self.scale * q @ mx.repeat(k, 2, 1).swapaxes(2, 3) + mask, axis=-1) @ mx.repeat(v, 2, 1)",
    ),
    ("scale=self.scale, mask=mask)", 'scale=self.scale, mask="causal")'),
    ("nn.silu(self.w1(x)) * self.w3(x)", "self.w3(x) * (self.w1(x) / (1 + mx.exp(-self.w1(x))))"),
    ("-mx.inf).astype(h.dtype)", "-1e9).astype(h.dtype)"),
)
