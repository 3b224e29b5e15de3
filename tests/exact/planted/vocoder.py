"""Faults of the vocoder: f0, source, generator and the two transforms."""

from tests.exact.planted.source import faults

FUNCTIONS = faults(
    "mlx_impl.ops.functional",
    "tiny-vocoder",
    ("(1.0 / (alpha + 1e-9)) * mx.square", "(1.0 / (alpha + 1e-7)) * mx.square"),
    ("(1.0 / (alpha + 1e-9)) * mx.square", "(1.0 / (alpha + 1e-9)) * mx.abs"),
    ("mx.square(mx.sin(x * alpha))", "mx.square(mx.sin(x))"),
    ("mx.square(mx.sin(x * alpha))", "mx.square(mx.sin(x.astype(mx.float16).astype(x.dtype) * alpha))"),
)

GENERATOR = faults(
    "mlx_impl.vocoder.generator",
    "tiny-vocoder",
    ("self.conv2(self.activation2(h)) + x", "self.conv2(self.activation1(h)) + x"),
    ("self.conv2(self.activation2(h)) + x", "self.conv2(self.activation2(h))"),
    ("self.up(self.activation(x))", "self.up(F.leaky_relu(x, self.activation.slope * (1 + 1e-6)))"),
    ("mx.concatenate([x[:, 1:2], x], axis=1)", "mx.concatenate([x[:, :1], x], axis=1)"),
    ("self.join(x, source)", "self.join(x, source * (1 + 1e-6))"),
    ("/ len(self.resblocks)", "/ (len(self.resblocks) + 1)"),
    ("LeakyReLU(config.last_slope)", "LeakyReLU(config.slope)", "F.leaky_relu(x, self.slope)"),
    ("F.exp(x[:, :, :bins])", "F.exp(x[:, :, :bins] * (1 + 1e-6))"),
    ("mx.sin(x[:, :, bins:])", "x[:, :, bins:]"),
    ("mx.clip(self.istft(magnitude, phase), -limit, limit)", "self.istft(magnitude, phase) * (1 + 1e-6)"),
    ("limit = self.config.audio_limit", "limit = 1.0", "", "the wave stays within 0.99"),
    ("self.conv_pre(mel.astype(dtype))", "self.conv_pre(mel.astype(mx.bfloat16).astype(dtype))"),
)

TRANSFORMS = faults(
    "mlx_impl.ops.spectrum",
    "tiny-vocoder",
    (
        "[wave[:, edge:0:-1], wave, wave[:, -2 : -edge - 2 : -1]]",
        "[wave[:, edge - 1 :: -1], wave, wave[:, -1 : -edge - 1 : -1]]",
    ),
    ("np.hstack([np.cos(angle), -np.sin(angle)])", "np.hstack([np.cos(angle), np.sin(angle)])", "mx.array(_analysis("),
    ("(hann_window(n_fft)[:, None] *", "(np.hanning(n_fft)[:, None] *", "mx.array(_analysis("),
    ("(matrix * hann_window(n_fft))", "(matrix * np.hanning(n_fft))", "mx.array(_synthesis("),
    ("twice[0] = twice[-1] = 1 / n_fft", "twice[0] = 1 / n_fft", "mx.array(_synthesis("),
    ("(hann_window(n_fft) ** 2)", "hann_window(n_fft)", "return wave / _window_sum("),
) + faults(
    "mlx_impl.vocoder.stft",
    "tiny-vocoder",
    ("magnitude * mx.sin(phase)], axis", "-magnitude * mx.sin(phase)], axis"),
    ("mx.minimum(magnitude, self.limit)", "mx.minimum(magnitude, 2.0)"),
    ("mx.minimum(magnitude, self.limit)", "mx.minimum(magnitude, 1000.0)", "", "no magnitude reaches the limit of 100"),
)

F0 = faults(
    "mlx_impl.vocoder.f0",
    "tiny-vocoder",
    ("nn.elu(conv(x))", "nn.leaky_relu(conv(x))"),
    ("nn.elu(conv(x))", "(lambda h: mx.where(h > 0, h, mx.expm1(h * (1 + 1e-6))))(conv(x))"),
    ("mx.abs(self.classifier(x).squeeze(-1))", "mx.maximum(self.classifier(x).squeeze(-1), 0)"),
)

SOURCE = faults(
    "mlx_impl.vocoder.source",
    "tiny-vocoder",
    ("self.amplitude * mx.sin(", "self.amplitude * (1 + 1e-6) * mx.sin("),
    ("mx.zeros_like(phase[:, :1])", "phase[:, :1]"),
    ("mx.arange(1, self.harmonics + 1", "mx.arange(0, self.harmonics"),
    ("(1 - uv) * config.sine_amplitude / 3", "(1 - uv) * config.sine_amplitude / 2"),
    ("sines * uv + deviation * noise", "sines + deviation * noise"),
    ("mx.tanh(self.linear(harmonics))", "self.linear(harmonics)"),
    ("f0 > config.threshold", "f0 >= config.threshold", "", "no f0 is the threshold itself"),
    ("mx.sin(theta + start[:, None, :])", "mx.sin(theta - start[:, None, :])"),
)

VOCODER = faults(
    "mlx_impl.vocoder.vocoder",
    "tiny-vocoder",
    ("np.linspace(np.pi, 0, samples)", "np.linspace(np.pi, 0, samples, endpoint=False)", "* fade, wave["),
    ("samples = sample_rate // 50", "samples = sample_rate // 100", "* fade, wave["),
) + faults(
    "mlx_impl.vocoder.vocoder",
    "tiny-vocoder-cache",
    ("[cache, source[:, cache.shape[1] :]]", "[cache, source[:, : -cache.shape[1]]]"),
)

FAULTS = [*FUNCTIONS, *GENERATOR, *TRANSFORMS, *F0, *SOURCE, *VOCODER]
