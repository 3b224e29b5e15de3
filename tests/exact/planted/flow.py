"""Faults of the flow: decoder, encoder, and the ODE around them."""

from tests.exact.planted.source import faults

DECODER = faults(
    "mlx_impl.decoder",
    "tiny-flow",
    ("(1000 * t)", "(1000.001 * t)"),
    ("[mx.sin(angle), mx.cos(angle)]", "[mx.cos(angle), mx.sin(angle)]"),
    ("self.linear_2(F.silu(", "self.linear_2(F.gelu("),
    ("((0, 0), (self.weight.shape[1] - 1, 0), (0, 0))", "((0, 0), (0, self.weight.shape[1] - 1), (0, 0))"),
    ("h = self.norm(self.conv(masked(x, mask)))", "h = self.norm(self.conv(masked(x, mask))) * (1 + 1e-6)"),
    ("masked(F.mish(h), mask)", "masked(F.silu(h), mask)"),
    ("+ self.time_proj(", "- self.time_proj("),
    ("F.mish(t)", "F.silu(t)"),
    ("+ self.res_conv(", "+ (1 + 1e-6) * self.res_conv("),
    ("scale=1 / math", "scale=(1 + 1e-6) / math"),
    ("attention(q, k, v, scale", "attention(q.astype(mx.float16).astype(q.dtype), k, v, scale"),
    ("attention(q, k, v, scale", "attention(k, q, v, scale"),
    ("self.to_out(out.swapaxes(1, 2).", "self.to_out(out."),
    ("self.proj_out(F.gelu(", "self.proj_out(nn.gelu_approx("),
    ("self.proj_out(F.gelu(", "self.proj_out(nn.gelu_fast_approx("),
    ("self.attn1(self.norm1(x), bias) + x", "self.attn1(self.norm1(x), bias) + self.norm1(x)"),
    ("self.ff(self.norm3(x)) + x", "self.ff(self.norm1(x)) + x"),
    ("self.ff(self.norm3(x)) + x", "self.ff(self.norm3(x))"),
    ("self.norm1 = LayerNorm(width)", "self.norm1 = LayerNorm(width, eps=1e-6)", "self.attn1(self.norm1(x), bias)"),
    ("self.norm3 = LayerNorm(width)", "self.norm3 = LayerNorm(width, eps=1e-4)", "self.ff(self.norm3(x))"),
    ("self.time_embeddings(time).astype(dtype)", "self.time_embeddings(time).astype(mx.bfloat16).astype(dtype)"),
    ("speaker[:, None, :], x.shape), cond]", "speaker[:, None, :], x.shape), mu]"),
    ("for block in self.mid_blocks:", "for block in self.mid_blocks[::-1]:"),
    ("for block in self.mid_blocks:", "for block in self.mid_blocks[:-1]:"),
    ("mx.concatenate([x, skip], axis=2)", "mx.concatenate([skip, x], axis=2)"),
    ("x = self.final_block(x, mask)", "x = self.final_block(self.final_block(x, mask), mask)"),
    ("skip = down(x, mask, bias, t)", "skip = down(x, mask, bias, t) + 1e-6"),
)

MASKED = faults(
    "mlx_impl.decoder",
    "tiny-flow-batch",
    ("self.conv(masked(x, mask))", "self.conv(x)"),
    ("return masked(F.mish(h), mask)", "return F.mish(h)"),
    ("self.res_conv(masked(x, mask))", "self.res_conv(x)"),
    ("self.attn1(self.norm1(x), bias)", "self.attn1(self.norm1(x), None)"),
    ("down.conv(masked(skip, mask))", "down.conv(skip)"),
    ("self.final_proj(masked(x, mask))", "self.final_proj(x)", "", "the block before it has masked its result"),
    (
        "bias = attention_bias(mask)",
        "bias = attention_bias(None if mask is None else mask[::-1])",
    ),
)

ODE = faults(
    "mlx_impl.ode",
    "tiny-flow",
    ("[self.mu, mx.zeros_like(self.mu)]", "[self.mu, self.mu]"),
    ("[self.speaker, mx.zeros_like(self.speaker)]", "[self.speaker, self.speaker]"),
    ("[self.cond, mx.zeros_like(self.cond)]", "[self.cond, self.cond]"),
    ("(1.0 + guidance) * conditional - guidance", "(1.0 + guidance) * conditional - (1 + 1e-6) * guidance"),
    ("(1.0 + guidance) * conditional", "conditional"),
    ("x + (t_next - t) * velocity", "x - (t_next - t) * velocity"),
    ("x + (t_next - t) * velocity", "x + (t_next - t) * (1 + 1e-6) * velocity"),
    ("mx.repeat(t, 2 * len(x))", "mx.repeat(t_next, 2 * len(x))"),
    ("conditional, unconditional = velocity", "unconditional, conditional = velocity"),
) + faults(
    "mlx_impl.ode",
    "tiny-flow-batch",
    ("[self.mask, self.mask]", "[self.mask, mx.ones_like(self.mask)]"),
)

ENCODER = faults(
    "mlx_impl.encoder",
    "tiny-flow",
    ("self.norm(self.linear(x)) * self.scale", "self.norm(self.linear(x) * self.scale)"),
    ("self.norm(self.linear(x)) * self.scale", "self.norm(self.linear(x)) * self.scale * (1 + 1e-6)"),
    ("self.norm = LayerNorm(width, eps=1e-5)", "self.norm = LayerNorm(width, eps=1e-6)", "self.norm(self.linear(x))"),
    ("self.norm_mha = LayerNorm(width, eps=1e-12)", "self.norm_mha = LayerNorm(width)", "self.self_attn(self.norm_mha"),
    ("self.norm_ff = LayerNorm(width, eps=1e-12)", "self.norm_ff = LayerNorm(width)", "self.feed_forward(self.norm_ff"),
    (
        "self.after_norm = LayerNorm(config.width, eps=1e-5)",
        "self.after_norm = LayerNorm(config.width, eps=1e-12)",
        "self.after_norm(x)",
    ),
    ("F.leaky_relu(self.conv1(", "F.leaky_relu(slope=0.1, x=self.conv1("),
    ("F.leaky_relu(self.conv1(", "nn.relu(self.conv1("),
    ("((0, 0), (0, self.lookahead), (0, 0))", "((0, 0), (self.lookahead, 0), (0, 0))"),
    ("return h + x", "return h"),
    ("mx.repeat(x, self.stride, axis=1)", "mx.tile(x, (1, self.stride, 1))"),
    ("((0, 0), (2 * self.stride, 0), (0, 0))", "((0, 0), (self.stride, self.stride), (0, 0))"),
    ("(q + self.pos_bias_v)", "(q + self.pos_bias_u)"),
    ("(q + self.pos_bias_u)", "q"),
    ("relative_shift(position) * scale", "relative_shift(position)"),
    ("scale = 1 / math.sqrt(self.head_width)", "scale = (1 + 1e-6) / math.sqrt(self.head_width)", "out = attention("),
    ("self.w_2(F.silu(", "self.w_2(F.gelu("),
    ("x + self.self_attn(self.norm_mha(x)", "x + self.self_attn(self.norm_ff(x)"),
    ("x + self.feed_forward(self.norm_ff(x))", "self.feed_forward(self.norm_ff(x))"),
    ("for layer in self.encoders:", "for layer in [*self.encoders, self.encoders[-1]]:"),
    ("mx.stack([mx.sin(angle), mx.cos(angle)]", "mx.stack([mx.cos(angle), mx.sin(angle)]"),
    ("math.log(10000.0)", "math.log(1000.0)"),
    ("return self.after_norm(x)", "return self.after_norm(x.astype(mx.float16).astype(x.dtype))"),
) + faults(
    "mlx_impl.encoder",
    "tiny-flow-batch",
    ("[self.stride * length for length in lengths]", "lengths"),
)

RELATIVE = faults("mlx_impl.ops.attention", "tiny-flow", ("offset=frames - 1", "offset=frames"))

FLOW = faults(
    "mlx_impl.flow",
    "tiny-flow",
    ("((0, 0), (0, rest), (0, 0))", "((0, 0), (rest, 0), (0, 0))"),
    ("normalize(embedding, eps=1e-12)", "normalize(embedding, eps=100.0)"),
    ("normalize(embedding, eps=1e-12)", "normalize(embedding, eps=1e-9)", "", "lengths are of order 1"),
    ("mu = self.encoder_proj(h)", "mu = self.encoder_proj(h) + 1e-7"),
    (
        "mu = self.encoder_proj(h)",
        "mu = self.encoder_proj(h) * (1 + 1e-6 * (mx.arange(h.shape[1]) == 3)[None, :, None])",
    ),
) + faults("mlx_impl.flow", "tiny-flow-batch", ("x = x * mask[:, :, None]", "x = x * 1"))

FAULTS = [*DECODER, *MASKED, *ODE, *ENCODER, *RELATIVE, *FLOW]
