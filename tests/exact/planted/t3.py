"""Faults of T3: embeddings, conditions, backbone and sampling."""

from tests.exact.planted.source import faults

NUMERICS = faults(
    "mlx_impl.ops.rotary",
    "tiny-t3",
    ("_SIGNS = mx.array([[-1.0], [1.0]])", "_SIGNS = mx.array([[1.0], [-1.0]])", "return x * cos + swapped"),
    (
        "mx.arange(start, start + count, ",
        "mx.arange(start + 1, start + 1 + count, ",
        "return x * cos + swapped",
        "attention knows no positions but their distances",
    ),
) + faults(
    "mlx_impl.ops.normalization",
    "tiny-t3",
    ("weight * (x * (1 / mx.sqrt(square + eps)))", "weight * (x * (1 / mx.sqrt(square + 10 * eps)))"),
    ("weight * (x * (1 / mx.sqrt(square + eps)))", "weight * (x / (mx.sqrt(square) + eps))"),
    ("weight * (x * (1 / mx.sqrt(square + eps)))", "(1 + weight) * (x * (1 / mx.sqrt(square + eps)))"),
    ("mx.mean(mx.square(x), axis=-1, keepdims=True)", "mx.var(x, axis=-1, keepdims=True)"),
)

BACKBONE = faults(
    "mlx_impl.t3.backbone",
    "tiny-t3",
    ("scale=q.shape[-1] ** -0.5, bias", "scale=q.shape[-1] ** -0.5 * (1 + 1e-6), bias"),
    ("positions[None, :] > positions[:, None]", "positions[None, :] > positions[:, None] + 1"),
    ("F.silu(self.gate_proj(x)) * self.up_proj(x)", "self.gate_proj(x) * F.silu(self.up_proj(x))"),
    ("F.silu(self.gate_proj(x)) * self.up_proj(x)", "nn.gelu_approx(self.gate_proj(x)) * self.up_proj(x)"),
    ("x + self.self_attn(", "self.self_attn("),
    ("self.mlp(self.post_attention_layernorm(x))", "self.mlp(self.input_layernorm(x))"),
    (
        "self.keys[layer][:, :, start:end] = keys",
        "self.keys[layer][:, :, start:end] = values",
        "return self.keys[layer]",
    ),
    ("return self.norm(x)", "return self.norm(x.astype(mx.float16).astype(x.dtype))"),
    ("self.rotary_k(self.split(self.k_proj(x)), table)", "self.split(self.k_proj(x))"),
)

CONDITIONING = faults(
    "mlx_impl.t3.condition_encoder",
    "tiny-t3",
    ("scale=q.shape[-1] ** -0.5", "scale=(1 + 1e-6) * q.shape[-1] ** -0.5"),
    ("return x + self.proj_out(", "return self.proj_out("),
    ("self.norm(x), self.norm(context)", "self.norm(x), context"),
    (
        "self.norm = LayerNorm(width, eps=1e-5)",
        "self.norm = LayerNorm(width, eps=1e-6)",
        "self.norm(x), self.norm(context)",
    ),
    ("return self.attn(resampled, resampled)", "return resampled"),
    ("mx.concatenate([speaker, resampled, self", "mx.concatenate([resampled, speaker, self"),
)

MODEL = faults(
    "mlx_impl.t3.model",
    "tiny-t3",
    ("self.text_positions.weight[: tokens.shape[1]]", "self.text_positions.weight[1 : tokens.shape[1] + 1]"),
    ("mx.zeros_like(text) if guided else text", "text"),
    ("weight[start : start + tokens.shape[1]]", "weight[start + 1 : start + 1 + tokens.shape[1]]"),
    (
        "mx.concatenate([shared[0], text, shared[1], shared[1]]",
        "mx.concatenate([shared[0], shared[1], text, shared[1]]",
    ),
    ("self.backbone(x, cache)[:, -1]", "self.backbone(x, cache)[:, -2 if x.shape[1] > 1 else -1]"),
)

SAMPLING = faults(
    "mlx_impl.t3.sampling",
    "tiny-t3",
    (
        "conditional + guidance * (conditional - unconditional)",
        "unconditional + guidance * (conditional - unconditional)",
    ),
    ("logits < 0, logits * penalty, logits / penalty", "logits < 0, logits / penalty, logits / penalty"),
)

FAULTS = [*NUMERICS, *BACKBONE, *CONDITIONING, *MODEL, *SAMPLING]
