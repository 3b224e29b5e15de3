"""Faults of the image encoder's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "x = nn.relu(x)": "x = self.pool(F.relu6(",
    "nn.relu(h)": "return F.relu(self.bn2(",
    "h + self.shortcut(x)": "return F.relu(self.bn2(",
    "h = self.a(x)": "h = F.relu(self.bn1(",
    "x = nn.hardswish(self.atrous(x))": "x = x + F.hardswish(",
    "return x + h": "h = self.gamma * self.pwconv2(",
    "self.classifier(pooled)": "return self.head(self.norm(",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "image",
    ("nn.BatchNorm(width, eps=1e-3)", "nn.BatchNorm(width)", "self.stem_norm(", "0.001", "1e-05"),
    ("astype(np.float64) + 1e-5)", "astype(np.float64) + 1e-3)", "self.a(x)", "residual"),
    ('state[f"{norm}.bias"] - mean * factor', 'state[f"{norm}.bias"]', "self.a(x)", "residual", "bias"),
    (
        "nn.Conv2d(3, width, 5, stride=2, padding=2)",
        "nn.Conv2d(3, width, 5, stride=2, padding=1)",
        "self.stem(image)",
        "padding",
    ),
    (
        "self.stem_norm(self.stem(image))",
        "self.stem_norm(self.stem(mx.pad(image, [(0, 0), (0, 1), (0, 1), (0, 0)])[:, 1:, 1:]))",
        "",
        "pad|shift",
    ),
    ("x = nn.relu6(x)", "x = nn.relu(x)", "", "relu|hardtanh|6"),
    ("x = nn.relu6(x)", "x = nn.leaky_relu(mx.minimum(x, 6.0))", "", "0.01|leaky|relu"),
    ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(2, stride=2)", "x = self.maxpool(x)", "max"),
    ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.AvgPool2d(3, stride=2, padding=1)", "x = self.maxpool(x)", "max"),
    ("nn.relu(h + self.shortcut(x))", "nn.relu(h)", "", "downsample"),
    ("nn.relu(h + self.shortcut(x))", "h + self.shortcut(x)", "", "relu"),
    ("nn.relu(h + self.shortcut(x))", "nn.relu(h) + self.shortcut(x)", "", "relu"),
    ("h = nn.relu(self.a(x))", "h = self.a(x)", "", "relu"),
    ("padding=2, dilation=2, groups=4", "padding=1, dilation=1, groups=4", "self.atrous(x)", "dilation"),
    ("    mx.eval(", "    model.atrous.bias = mx.zeros(16); mx.eval(", "self.atrous(x)", "bias|+"),
    ("nn.hardswish(self.atrous(x))", "nn.silu(self.atrous(x))", "", "hardswish", "silu|sigmoid"),
    ("x = x + nn.hardswish(self.atrous(x))", "x = nn.hardswish(self.atrous(x))", "", "+ "),
    (
        "self.ln = nn.LayerNorm(width, eps=1e-6)",
        "self.ln = nn.LayerNorm(width, eps=1e-5)",
        "self.ln(self.depthwise(x))",
        "1e-06",
        "1e-05",
    ),
    (
        "h = self.ln(self.depthwise(x))",
        "h = self.ln(self.depthwise(x).swapaxes(1, 3)).swapaxes(1, 3) if x.shape[1] == x.shape[3] else self.depthwise(self.ln(x))",
        "",
        "norm",
    ),
    ("nn.gelu(self.expand(h))", "nn.gelu_approx(self.expand(h))", "", "gelu", "tanh"),
    ("return x + self.layer_scale * h", "return x + h", "", "gamma"),
    ("return x + self.layer_scale * h", "return self.layer_scale * (x + h)", "", "gamma"),
    ("mx.mean(x, axis=(1, 2))", "mx.max(x, axis=(1, 2))", "", "mean", "max"),
    ("mx.mean(x, axis=(1, 2))", "mx.sum(x, axis=(1, 2)) / 6", "", "mean|factor|sum"),
    ("self.classifier(self.ln(pooled))", "self.classifier(pooled)", "", "norm"),
    (
        "value.transpose(0, 2, 3, 1) if value.ndim == 4 else value for name",
        "value.transpose(0, 3, 2, 1) if value.ndim == 4 else value for name",
        "self.stem(image)",
        "transposed|order|turned|axes|weight",
    ),
    (
        "value.transpose(0, 2, 3, 1) if value.ndim == 4 else value for name",
        'value.transpose(0, 2, 3, 1)[:, ::-1, ::-1] if value.ndim == 4 and "depth" in name else value.transpose(0, 2, 3, 1) if value.ndim == 4 else value for name',
        "self.depthwise(x)",
        "flip|reverse|dwconv",
    ),
    lacks=LACKS,
)

REWRITES = rewritten(
    "image",
    ("x = nn.relu6(x)", "x = mx.clip(x, 0, 6)"),
    ("nn.hardswish(self.atrous(x))", "(lambda u: u * mx.clip(u + 3, 0, 6) / 6)(self.atrous(x))"),
    ("mx.mean(x, axis=(1, 2))", "x.reshape(x.shape[0], -1, x.shape[3]).sum(1) / (x.shape[1] * x.shape[2])"),
    (
        "x = self.stem_norm(self.stem(image))",
        "n = self.stem_norm; x = (self.stem(image) - n.running_mean) / mx.sqrt(n.running_var + 1e-3) * n.weight + n.bias",
    ),
)
