"""Faults of the port of the mixture of experts, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "scores = scores * 1.0": "weights = weights / weights.sum",
    "self.shared(x)": "return out * 2.5",
    "self.shared_gate(x) * self.shared(x)": "return out * 2.5",
    "return self.factor * y, gates": "return out * 2.5",
    "y = mx.sum(y, axis=-2)": "out = out + share * expert(x)",
    "y, gates = self.moe(x)": "h = self.norm(x)",
    "y = self.last(y)": "return self.final(",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "experts",
    ("scores = scores / mx.sum(scores, axis=-1, keepdims=True)", "scores = scores * 1.0", "", "sum"),
    ("scores = scores / mx.sum(scores, axis=-1, keepdims=True)", "scores = mx.softmax(scores, axis=-1)", "", "softmax"),
    ("gates = mx.softmax(self.router(x), axis=-1)", "gates = mx.sigmoid(self.router(x))", "", "softmax", "sigmoid"),
    (
        "gates = mx.softmax(self.router(x), axis=-1)",
        "gates = mx.softmax(self.router(x) / 2, axis=-1)",
        "",
        "softmax|factor|/ 2|0.5",
    ),
    ("mx.argpartition(-gates, kth", "mx.argpartition(gates, kth", "", "topk", "argpartition|partition"),
    ("CHOSEN = 2", "CHOSEN = 1", "mx.argpartition(", "topk|2"),
    ("CHOSEN = 2", "CHOSEN = 3", "mx.argpartition(", "topk|2|3"),
    ("h = nn.silu(gate) * up", "h = nn.silu(up) * gate", "", "gate_proj|up_proj|silu"),
    ("h = nn.silu(gate) * up", "h = nn.gelu(gate) * up", "", "silu", "gelu|erf"),
    (
        "gate = mx.gather_mm(x, self.gate.swapaxes(1, 2), rhs_indices=indices)",
        "gate = mx.gather_mm(x, self.gate.swapaxes(1, 2), rhs_indices=indices[..., ::-1])",
        "",
        "gather|flip|order|revers|slice",
    ),
    (
        "y = self.switch(x, indices)",
        "y = self.switch(x, indices + 0 * indices[:1])[..., ::-1, :]",
        "",
        "flip|order|revers|slice",
    ),
    (
        "y = mx.sum(y * scores[..., None], axis=-2)",
        "y = mx.mean(y * scores[..., None], axis=-2)",
        "",
        "factor|mean|0.5",
    ),
    ("y = mx.sum(y * scores[..., None], axis=-2)", "y = mx.sum(y, axis=-2)", "", "·"),
    ("self.factor = 2.5", "self.factor = 1.0", "return self.factor * y", "2.5"),
    ("mx.sigmoid(self.shared_gate(x)) * self.shared(x)", "self.shared(x)", "", "sigmoid|shared_expert_gate"),
    ("mx.sigmoid(self.shared_gate(x)) * self.shared(x)", "self.shared_gate(x) * self.shared(x)", "", "sigmoid"),
    ("return self.factor * y + shared, gates", "return self.factor * (y + shared), gates", "", "2.5"),
    ("return self.factor * y + shared, gates", "return self.factor * y, gates", "", "shared"),
    ("self.down(nn.silu(self.gate(x)) * self.up(x))", "self.down(nn.silu(self.gate(x)) + self.up(x))", "", "·", "+"),
    (
        "self.ln = nn.LayerNorm(dim, eps=1e-6, bias=False)",
        "self.ln = nn.LayerNorm(dim, bias=False)",
        "self.ln(x)",
        "1e-06",
        "1e-05",
    ),
    ("self.last = nn.RMSNorm(dim, eps=1e-6)", "self.last = nn.RMSNorm(dim)", "y = self.last(x + y)", "1e-06", "1e-05"),
    (
        "y, gates = self.moe(self.ln(x))",
        "y, gates = self.moe(mx.fast.rms_norm(x, self.ln.weight, 1e-6))",
        "",
        "layer_norm|layernorm",
        "rms",
    ),
    ("y, gates = self.moe(self.ln(x))", "y, gates = self.moe(x)", "", "norm"),
    ("y = self.last(x + y)", "y = self.last(y)", "", "+ "),
    ("y = self.last(x + y)", "y = x + self.last(y)", "", "final|norm"),
    ("mx.mean(gates, axis=(0, 1))", "mx.mean(gates, axis=(0, 1)) * 6", "", "factor|6"),
    (
        'rows = [state[f"mixture.experts.{number}.{old}.weight"] for number in range(count)]',
        'rows = [state[f"mixture.experts.{number}.{old}.weight"] for number in (0, 1, 3, 2, 4, 5)]',
        "gate = mx.gather_mm(",
        "expert",
    ),
    (
        'made[f"moe.switch.{new}"] = np.stack(rows)',
        'rows[3] = rows[3] * np.float32(1.001); made[f"moe.switch.{new}"] = np.stack(rows)',
        "gate = mx.gather_mm(",
        "expert",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "experts",
    ("mx.argpartition(-gates, kth=CHOSEN - 1, axis=-1)[..., :CHOSEN]", "mx.argsort(-gates, axis=-1)[..., :CHOSEN]"),
    (
        "scores = scores / mx.sum(scores, axis=-1, keepdims=True)",
        "scores = mx.softmax(mx.take_along_axis(self.router(x), indices, axis=-1), axis=-1)",
    ),
    ("y = mx.sum(y * scores[..., None], axis=-2)", "y = (scores[..., None, :] @ y).squeeze(-2)"),
    ("up = mx.gather_mm(x, self.up.swapaxes(1, 2), rhs_indices=indices)", "up = x @ self.up[indices].swapaxes(-1, -2)"),
)
