"""Faults of the conditioning: mels, x-vector, speech tokenizer and voice encoder."""

from tests.exact.planted.source import faults

MELS = faults(
    "mlx_impl.conditioning.mel",
    "tiny-conditioning",
    ("mx.sqrt(power + 1e-9)", "mx.sqrt(power + 1e-8)"),
    ("mx.sqrt(power + 1e-9)", "power + 1e-9"),
    (
        "reflected(wave, (PROMPT_N_FFT - PROMPT_HOP) // 2)",
        "mx.pad(wave, ((0, 0), ((PROMPT_N_FFT - PROMPT_HOP) // 2,) * 2))",
    ),
    ("mx.log10(x)", "mx.log(x)"),
    ("keepdims=True) - 8.0", "keepdims=True) - 1.0"),
    ("powers))) + 4.0) / 4.0", "powers))) + 4.0) / 4.000004"),
    ("self.n_fft, self.hop)[:, :-1]", "self.n_fft, self.hop)[:, 1:]"),
)

SPEAKER = faults(
    "mlx_impl.conditioning.speaker_encoder",
    "tiny-conditioning",
    ("PREEMPHASIS = 0.97", "PREEMPHASIS = 0.970001", "return frames - PREEMPHASIS"),
    (
        "[frames[..., :1], frames[..., :-1]]",
        "[mx.zeros_like(frames[..., :1]), frames[..., :-1]]",
        "",
        "the window behind it is 0 at a frame's first sample: the frames themselves differ by 1, the output by 0",
    ),
    ("mx.ones((FRAME, 1))) / FRAME", "mx.ones((FRAME, 1))) / N_FFT"),
    ("return features - mean_over_time(features)", "return features"),
    ("mx.sqrt(self.running_var + 1e-5)", "mx.sqrt(self.running_var + 1e-3)"),
    ("h = nn.relu(self.norm1(self.conv1(x)))", "h = nn.leaky_relu(self.norm1(self.conv1(x)))"),
    ("nn.relu(h + (x if", "nn.relu(h - (x if"),
    ("return h.transpose(0, 2, 3, 1)", "return h.transpose(0, 2, 1, 3)"),
    ("mean_over_time(x) + self.segment_averages(x)", "2 * self.segment_averages(x)"),
    ("F.sigmoid(self.conv2(", "mx.tanh(self.conv2("),
    ("self.conv(x) * gate", "self.conv(x) * (1 + 1e-6) * gate"),
    ("mx.concatenate([x, layer(x)], axis=-1)", "mx.concatenate([layer(x), x], axis=-1)"),
    ("(x.shape[1] / (x.shape[1] - 1))", "1"),
    ("[mean, mx.sqrt(variance)]", "[mean, variance]"),
) + faults(
    "mlx_impl.ops.normalization",
    "tiny-conditioning",
    (
        "scale = weight / mx.sqrt(variance + 1e-5)",
        "scale = weight / mx.sqrt(variance + 1e-6)",
        "return x * scale + shift",
    ),
)

TOKENIZER = faults(
    "mlx_impl.conditioning.s3tokenizer",
    "tiny-conditioning",
    ("mx.concatenate([-right, left], axis=-1)", "mx.concatenate([right, -left], axis=-1)"),
    ("self.left = (kernel - 1) // 2", "self.left = kernel - 1", "self.conv(mx.pad(x, ((0, 0), (self.left, self.right)"),
    ("self.split(self.key(x)), cos, sin)", "self.split(self.key(x)), cos, -sin)"),
    ("scale=self.head_width**-0.5", "scale=self.head_width**-0.5 * (1 + 1e-6)"),
    (".reshape(x.shape)) + memory", ".reshape(x.shape))"),
    ("self.proj_out(F.gelu(", "self.proj_out(nn.gelu_approx("),
    (
        "self.attn_ln = LayerNorm(config.width, eps=1e-5)",
        "self.attn_ln = LayerNorm(config.width, eps=1e-6)",
        "self.attn(self.attn_ln(x)",
    ),
    ("x + self.mlp(self.mlp_ln(x))", "x + self.mlp(self.attn_ln(x))"),
    ("F.gelu(self.conv2(F.gelu(self.conv1(mel))))", "F.gelu(self.conv2(self.conv1(mel)))"),
    ("* 0.9990000128746033", "* 0.999", "", "the two are one number in float32"),
    ("3 ** mx.arange(digits.shape[-1])", "3 ** mx.arange(digits.shape[-1])[::-1]"),
)

VOICE = faults(
    "mlx_impl.conditioning.voice_encoder",
    "tiny-conditioning",
    ("raw = nn.relu(self.proj(x[:, -1]))", "raw = nn.relu(self.proj(x[:, -2]))"),
    ("return normalize(raw)", "return raw", "", "the voice has a single window, whose mean is made of length 1"),
    ("WINDOWS_A_SECOND = 1.3", "WINDOWS_A_SECOND = 1.2", "", "the voice has a single window"),
) + faults(
    "mlx_impl.ops.lstm",
    "tiny-conditioning",
    ("+ bias[:, None]", "+ bias[:, None] * (1 + 1e-6)"),
    (
        "step(addmm(given, hidden, weight_hh), cell)",
        "step(addmm(given, hidden, weight_hh), hidden)",
        "cell = mx.sigmoid(-forget) * cell",
    ),
)

FAULTS = [*MELS, *SPEAKER, *TOKENIZER, *VOICE]
