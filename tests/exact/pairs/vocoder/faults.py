"""Faults of the vocoder's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "mx.sin(self.alpha * x)": "return x + (1.0 / (self.alpha",
    "mx.square(mx.sin(x))": "return x + (1.0 / (self.alpha",
    "h = self.pointwise(h)": "return x + self.conv2(",
    "return h": "return x + self.conv2(",
    "h = self.dilated(x)": "return x + self.conv2(",
    "x = x + 0 * self.bias": "x = self.up(self.act(x))",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "vocoder",
    ("mx.square(mx.sin(self.alpha * x))", "mx.sin(self.alpha * x)", "", "sin", "pow|²|square"),
    ("mx.square(mx.sin(self.alpha * x))", "mx.square(mx.sin(x))", "", "alpha|sin"),
    ("/ (self.alpha + 1e-9)", "* self.alpha", "", "alpha"),
    ("/ (self.alpha + 1e-9)", "/ (mx.exp(self.alpha) + 1e-9)", "", "exp"),
    ("/ (self.alpha + 1e-9)", "/ (self.alpha + 1e-5)", "", "1e-09", "1e-05|1e-5|9.99"),
    ("x = nn.leaky_relu(x, 0.1)", "x = nn.leaky_relu(x)", "", "0.1", "0.01"),
    ("[(0, 0), (6, 0), (0, 0)]", "[(0, 0), (0, 6), (0, 0)]", "", "pad|6"),
    ("[(0, 0), (6, 0), (0, 0)]", "[(0, 0), (3, 3), (0, 0)]", "", "pad|3"),
    ("x = mx.pad(x, [(0, 0), (6, 0), (0, 0)])", 'x = mx.pad(x, [(0, 0), (6, 0), (0, 0)], mode="edge")', "", "pad"),
    ("wave = mx.tanh(self.out(x))", "wave = mx.clip(self.out(x), -1, 1)", "", "tanh", "clip|minimum|maximum"),
    ("* 0.95", "* 0.99", "", "0.95", "0.99"),
    ("h = self.pointwise(self.snake2(h))", "h = self.pointwise(self.snake1(h))", "", "alpha|act2"),
    ("h = self.pointwise(self.snake2(h))", "h = self.pointwise(h)", "", "act2|sin"),
    ("return x + h", "return h", "", "+ "),
    ("h = self.dilated(self.snake1(x))", "h = self.dilated(x)", "", "act1|sin"),
    ("x = x + self.bias", "x = x + 0 * self.bias", "", "bias"),
    ("for unit in self.units:", "for unit in self.units[::-1]:", "x = unit(x)", "blocks"),
    (
        "weight = weight.transpose(order)",
        'weight = weight.transpose(order); weight = weight[:, ::-1] if ".up." in new else weight',
        "x = mx.conv_transpose1d(",
        "flip|reverse|weight",
    ),
    (
        "np.sum(direction**2, axis=(1, 2), keepdims=True)",
        "np.sum(direction**2, axis=(0, 2), keepdims=True)[:1, :1]",
        "self.inp(mel)",
        "weight",
    ),
    (
        "weight = weight.transpose(order)",
        "weight = (weight * norm / np.abs(norm).max()).astype(np.float32).transpose(order)",
        "self.inp(mel)",
        "weight",
    ),
    ("x = self.inp(mel)", "x = self.inp(mel.astype(mx.float16).astype(mx.float32))", "", "float16"),
    ("x = self.snake(x)", "x = nn.leaky_relu(x, 0.1)", "", "sin|snake|alpha"),
    (
        "x = self.inp(mel)",
        "x = self.inp(mx.pad(mel, [(0, 0), (3, 0), (0, 0)]))[:, : mel.shape[1]]",
        "",
        "pad|places|shift|frames",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "vocoder",
    (
        "return x + mx.square(mx.sin(self.alpha * x)) / (self.alpha + 1e-9)",
        "return x + (0.5 - 0.5 * mx.cos(2 * self.alpha * x)) / (self.alpha + 1e-9)",
    ),
    (
        "x = mx.pad(x, [(0, 0), (6, 0), (0, 0)])",
        "x = mx.concatenate([mx.zeros((x.shape[0], 6, x.shape[2])), x], axis=1)",
    ),
    ("wave = mx.tanh(self.out(x))", "wave = 2 * mx.sigmoid(2 * self.out(x)) - 1"),
    ("x = nn.leaky_relu(x, 0.1)", "x = mx.maximum(x, 0.1 * x)"),
)
