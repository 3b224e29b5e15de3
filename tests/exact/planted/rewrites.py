"""Correct rewrites of the port: other operations, the same mathematics. None may be called wrong.

Those of `PLAIN_MLX` put MLX's own operations in place of the port's sums: each is off by more than the port's bounds,
and by no more than rounding.
"""

from tests.exact.planted.source import faults as rewrites

PLAIN_MLX = [
    *rewrites("mlx_impl.ops.convolution", "tiny", ("return on_gpu() and x.dtype != mx.float32", "return True")),
    *rewrites("mlx_impl.ops.normalization", "tiny", ("        if on_gpu():", "        if True:")),
    *rewrites("mlx_impl.ops.normalization", "tiny-t3", ("return on_gpu() and x.dtype != mx.float32", "return True")),
    *rewrites("mlx_impl.ops.functional", "tiny-conditioning", ("if on_gpu():", "if True:")),
]

IDIOMS = [
    *rewrites(
        "mlx_impl.ops.attention",
        "tiny",
        (
            "out = _by_heads(partial(_in_columns if columns else _in_rows, scale), q, k, v, *biases)",
            "columns, out = False, mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=bias)",
        ),
    ),
    *rewrites("mlx_impl.ops.linear", "tiny", ("y = matmul(x, self.weight.T)", "y = x @ self.weight.T")),
    *rewrites(
        "mlx_impl.encoder",
        "tiny-flow",
        (
            "return skewed(scores)",
            "return mx.pad(scores, [(0, 0)] * 3 + [(1, 0)]).reshape(*scores.shape[:2], -1, scores.shape[2])[:, :, 1:]"
            ".reshape(scores.shape)[..., : scores.shape[2]]",
        ),
        (
            "mx.repeat(x, self.stride, axis=1)",
            "mx.concatenate([x[:, :, None]] * self.stride, axis=2).reshape(len(x), -1, x.shape[2])",
        ),
        (
            "matmul((q + self.pos_bias_v).swapaxes(1, 2), p.swapaxes(2, 3))",
            'mx.einsum("bthd,hrd->bhtr", q + self.pos_bias_v, p[0])',
        ),
        ("self.w_2(F.silu(self.w_1(x)))", "self.w_2(nn.silu(self.w_1(x)))"),
    ),
    *rewrites(
        "mlx_impl.decoder",
        "tiny-flow-batch",
        ("else x * mask", "else mx.where(mask > 0, x, 0)"),
        ("self.attn1(self.norm1(x), bias) + x", "x + self.attn1(self.norm1(x), bias)"),
        ("self.proj_out(F.gelu(self.proj_in(x)))", "self.proj_out(nn.gelu(self.proj_in(x)))"),
    ),
    *rewrites(
        "mlx_impl.ode",
        "tiny-flow",
        ("x + (t_next - t) * velocity", "x + velocity * t_next - velocity * t"),
        (
            "(1.0 + guidance) * conditional - guidance * unconditional",
            "conditional + guidance * (conditional - unconditional)",
        ),
    ),
    *rewrites(
        "mlx_impl.vocoder.generator",
        "tiny-vocoder",
        ("F.snake(x, self.alpha)", "x + mx.square(mx.sin(x * self.alpha)) / (self.alpha + 1e-9)"),
        ("self.join(x, source)) / len(self.resblocks)", "self.join(x, source)) * (1 / len(self.resblocks))"),
        ("F.leaky_relu(x, self.slope)", "nn.leaky_relu(x, self.slope)"),
    ),
    *rewrites(
        "mlx_impl.vocoder.f0",
        "tiny-vocoder",
        ("nn.elu(conv(x))", "(lambda h: mx.where(h > 0, h, mx.expm1(h)))(conv(x))"),
    ),
    *rewrites(
        "mlx_impl.vocoder.source",
        "tiny-vocoder",
        (
            "mx.concatenate([mx.zeros_like(phase[:, :1]), phase[:, 1:]], axis=1)",
            "phase * (mx.arange(phase.shape[1]) > 0)",
        ),
    ),
    *rewrites(
        "mlx_impl.ops.spectrum",
        "tiny-vocoder",
        (
            "return matmul(framed(reflected(wave, n_fft // 2), n_fft, hop), mx.array(_analysis(n_fft)))",
            "return (lambda s: mx.concatenate([mx.real(s), mx.imag(s)], axis=-1))"
            "(mx.fft.rfft(framed(reflected(wave, n_fft // 2), n_fft, hop) * mx.array(hann_window(n_fft))))",
        ),
    ),
    *rewrites(
        "mlx_impl.ops.lstm", "tiny-conditioning", ("return gates.dtype != mx.float32 or on_gpu()", "return True")
    ),
    *rewrites(
        "mlx_impl.ops.summation",
        "tiny-conditioning",
        ("return pairwise_sum(x) / x.shape[1]", "return mx.mean(x, axis=1, keepdims=True)"),
        (
            "length = mx.sqrt(blocked_sum(mx.square(x)[..., None])[..., 0])",
            "length = mx.linalg.norm(x, axis=-1, keepdims=True)",
        ),
    ),
    *rewrites(
        "mlx_impl.conditioning.speaker_encoder",
        "tiny-conditioning",
        (
            "return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)",
            "return (x - self.running_mean) * mx.rsqrt(self.running_var + 1e-5) * self.weight + self.bias",
        ),
        (
            "mean_over_time(mx.square(x - mean)) * (x.shape[1] / (x.shape[1] - 1))",
            "mx.var(x, axis=1, keepdims=True, ddof=1)",
        ),
    ),
    *rewrites(
        "mlx_impl.conditioning.mel",
        "tiny-conditioning",
        ("mx.log10(x)", "mx.log(x) * 0.4342944819032518"),
    ),
]

REWRITES = [*PLAIN_MLX, *IDIOMS]
