"""Faults of the port of the mel front end, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

TABLE = "power @ filters().T"
WINDOWED = "spectrum = mx.fft.rfft("

LACKS = {
    "wave = wave * 1.0": "emphasised = torch.cat(",
    "power = mx.abs(spectrum)": "power = spectrum.real**2",
    "log / (deviation + 1e-3)": "normalised = (log - log.mean",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "mel",
    ("length = WINDOW", "length = WINDOW - 1", WINDOWED, "window"),
    ("0.5 - 0.5 * np.cos(", "0.54 - 0.46 * np.cos(", WINDOWED, "window"),
    ("left = (N_FFT - WINDOW) // 2", "left = 0", WINDOWED, "window|pad|places"),
    (
        "np.where(mel < 15, linear, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))",
        "700 * (10 ** (mel / 21.52) - 1)",
        TABLE,
        "mel|filters|clamp|constant",
    ),
    ("bank[m] *= 2 / (high - low)", "bank[m] *= 1", TABLE, "constant|filters|factor|2"),
    (
        "np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)))",
        "np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)).clip(0.1)",
        TABLE,
        "constant|filters|clamp|clip",
    ),
    ("before = wave[:, 1 : edge + 1][:, ::-1]", "before = wave[:, :edge][:, ::-1]", "", "reflect|pad|slice"),
    (
        "return mx.concatenate([before, wave, after], axis=1)",
        "return mx.pad(wave, [(0, 0), (edge, edge)])",
        "",
        "reflect|pad",
    ),
    (
        "count = 1 + (wave.shape[1] - N_FFT) // HOP",
        "wave = mx.roll(wave, 1, axis=1); count = 1 + (wave.shape[1] - N_FFT) // HOP",
        "",
        "roll|shift|places|later|slice|concat",
    ),
    ("0.97 * wave[:, :-1]", "0.95 * wave[:, :-1]", "", "0.97", "0.95"),
    (
        "wave = mx.concatenate([wave[:, :1], wave[:, 1:] - 0.97 * wave[:, :-1]], axis=1)",
        "wave = wave * 1.0",
        "",
        "0.97",
    ),
    ("mx.concatenate([wave[:, :1], wave[:, 1:] -", "mx.concatenate([wave[:, :1] * 0.03, wave[:, 1:] -", "", "0.03"),
    ("power = mx.square(mx.abs(spectrum))", "power = mx.abs(spectrum)", "", "abs|square|²|pow|sqrt"),
    ("power = mx.square(mx.abs(spectrum))", "power = mx.square(mx.abs(spectrum)) / N_FFT", "", "factor|128|0.0078125"),
    ("mx.log10(mx.maximum(mel, 1e-5))", "mx.log(mx.maximum(mel, 1e-5))", "", "log10", "log(|log"),
    ("mx.log10(mx.maximum(mel, 1e-5))", "mx.log10(mx.maximum(mel, 1e-10))", "", "1e-05", "1e-10"),
    ("mx.log10(mx.maximum(mel, 1e-5))", "mx.log10(mel + 1e-5)", "", "clamp|maximum|1e-05"),
    ("mx.max(log, axis=(1, 2), keepdims=True) - 3.0", "mx.max(log, axis=(1, 2), keepdims=True) - 8.0", "", "3", "8"),
    ("mx.max(log, axis=(1, 2), keepdims=True)", "mx.max(log, keepdims=True)", "", "max|axis|axes|dim"),
    ("log = (log + 4.0) / 4.0", "log = (log + 4.0) / 2.0", "", "4", "2"),
    ("log = (log + 4.0) / 4.0", "log = (log + 1.0) / 4.0", "", "4", "1"),
    ("keepdims=True, ddof=1)", "keepdims=True)", "", "ddof|unbiased|correction|std"),
    ("mean = mx.mean(log, axis=1, keepdims=True)", "mean = mx.mean(log, axis=(1, 2), keepdims=True)", "", "mean"),
    ("(deviation + 1e-3)", "(deviation + 1e-5)", "", "0.001", "1e-05"),
    ("(log - mean) / (deviation + 1e-3)", "log / (deviation + 1e-3)", "", "mean|-"),
    ("mx.sqrt(mx.mean(power, axis=-1) + 1e-9)", "mx.sqrt(mx.sum(power, axis=-1) + 1e-9)", "", "mean", "sum|factor"),
    ("mx.sqrt(mx.mean(power, axis=-1) + 1e-9)", "mx.sqrt(mx.mean(power, axis=-1)) + 1e-9", "", "1e-09", "sqrt"),
    (
        "return mx.array(bank.astype(np.float32))",
        "return mx.array(bank.astype(np.float16).astype(np.float32))",
        TABLE,
        "constant|differs",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "mel",
    ("power = mx.square(mx.abs(spectrum))", "power = mx.real(spectrum * mx.conj(spectrum))"),
    ("mx.log10(mx.maximum(mel, 1e-5))", "mx.log(mx.maximum(mel, 1e-5)) / mx.log(mx.array(10.0))"),
    ("log = (log + 4.0) / 4.0", "log = log * 0.25 + 1"),
    (
        "deviation = mx.std(log, axis=1, keepdims=True, ddof=1)",
        "deviation = mx.sqrt(mx.sum(mx.square(log - mean), axis=1, keepdims=True) / (log.shape[1] - 1))",
    ),
)
