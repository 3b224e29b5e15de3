"""Faults of the speech detector's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    'made["lstm.bias"] = state["lstm.bias_ih_l0"]': "forward, (h, c) = self.lstm(",
    "mx.sigmoid(i) * g": "forward, (h, c) = self.lstm(",
    "mx.sigmoid(o) * c": "forward, (h, c) = self.lstm(",
    "now = gates[:, t]": "forward, (h, c) = self.lstm(",
    "gates = x @ self.wx.T": "forward, (h, c) = self.lstm(",
    "ahead, _, c = self.lstm(x, h, c)": "forward, (h, c) = self.lstm(",
    "self.gru(ahead)": "backward, _ = self.gru(",
    "back], axis=-1)": "both = torch.cat(",
    "n = mx.tanh(xn + r * hn)": "backward, _ = self.gru(",
    "x = mx.fast.layer_norm(x, self.ln.weight, None, 1e-5)": "x = self.norm(x)",
    "self.score(both)": "weights = self.attend(",
    "self.head(both)": "return torch.sigmoid(self.out(",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "recurrent",
    (
        "i, f, g, o = mx.split(now, 4, axis=-1)",
        "i, g, f, o = mx.split(now, 4, axis=-1)",
        "c = mx.sigmoid(f) * c",
        "sigmoid|tanh|chunk|split",
    ),
    (
        "i, f, g, o = mx.split(now, 4, axis=-1)",
        "f, i, g, o = mx.split(now, 4, axis=-1)",
        "c = mx.sigmoid(f) * c",
        "sigmoid|chunk|split",
    ),
    ("mx.sigmoid(i) * mx.tanh(g)", "mx.sigmoid(i) * g", "", "tanh"),
    ("mx.sigmoid(o) * mx.tanh(c)", "mx.sigmoid(o) * c", "", "tanh"),
    ("mx.sigmoid(f) * c + mx.sigmoid(i)", "mx.sigmoid(f + 1) * c + mx.sigmoid(i)", "", "sigmoid", "+ 1|1 + "),
    ("now = gates[:, t] + h @ self.wh.T", "now = gates[:, t]", "", "weight_hh"),
    ("gates = mx.addmm(self.bias, x, self.wx.T)", "gates = x @ self.wx.T", "", "bias"),
    (
        'made["lstm.bias"] = state["lstm.bias_ih_l0"] + state["lstm.bias_hh_l0"]',
        'made["lstm.bias"] = state["lstm.bias_ih_l0"]',
        "gates = mx.addmm(",
        "bias",
    ),
    ("return mx.stack(steps, axis=1), h, c", "return mx.stack(steps, axis=1), c, h", "", "swapped|output"),
    ("ahead, h, c = self.lstm(x, h, c)", "ahead, h, c = self.lstm(x, mx.zeros_like(h), c)", "", "0|zeros|input 1"),
    ("ahead, h, c = self.lstm(x, h, c)", "ahead, h, c = self.lstm(x, c, h)", "", "input 1|input 2|swapped"),
    ("ahead, h, c = self.lstm(x, h, c)", "ahead, _, c = self.lstm(x, h, c)", "", "output|input 1|lstm"),
    ("self.gru(ahead[:, ::-1])", "self.gru(ahead)", "", "flip|order|revers"),
    ("back[:, ::-1]], axis=-1)", "back], axis=-1)", "", "flip|order|revers"),
    ("h = (1 - z) * n + z * h", "h = z * n + (1 - z) * h", "", "1 - "),
    ("n = mx.tanh(xn + r * (hn + self.bias_n))", "n = mx.tanh(xn + r * hn + self.bias_n)", "", "·|bias"),
    ("n = mx.tanh(xn + r * (hn + self.bias_n))", "n = mx.tanh(xn + r * hn)", "", "bias"),
    ("n = mx.tanh(xn + r * (hn + self.bias_n))", "n = mx.tanh(xn + z * (hn + self.bias_n))", "", "sigmoid|chunk"),
    ("n = mx.tanh(xn + r * (hn + self.bias_n))", "n = mx.tanh(r * (xn + hn + self.bias_n))", "", "·"),
    ("xr, xz, xn = mx.split(", "xz, xr, xn = mx.split(", "r = mx.sigmoid(xr + hr)", "chunk|split|sigmoid"),
    ("z = mx.sigmoid(xz + hz)", "z = mx.tanh(xz + hz)", "", "sigmoid", "tanh"),
    ("x = nn.elu(self.front(x))", "x = nn.relu(self.front(x))", "", "elu", "relu|maximum"),
    ("x = nn.elu(self.front(x))", "x = nn.elu(self.front(x), alpha=0.5)", "", "elu|expm1|exp", "0.5"),
    ("x = self.ln(x)", "x = mx.fast.layer_norm(x, self.ln.weight, None, 1e-5)", "", "bias"),
    ("mx.softmax(self.score(mx.tanh(both)), axis=1)", "mx.softmax(self.score(mx.tanh(both)), axis=0)", "", "axis|dim"),
    ("self.score(mx.tanh(both))", "self.score(both)", "", "tanh"),
    (
        "context = mx.sum(weights * both, axis=1, keepdims=True)",
        "context = mx.mean(weights * both, axis=1, keepdims=True)",
        "",
        "sum",
        "mean|factor",
    ),
    ("self.head(both + context)", "self.head(both)", "", "+ "),
    ("mx.sigmoid(self.head(both + context))", "mx.sigmoid(1.702 * self.head(both + context))", "", "1.702"),
    ("bands, width, 4, stride=2, padding=1)", "bands, width, 4, stride=2, padding=2)", "self.front(x)", "padding"),
    lacks=LACKS,
)

REWRITES = rewritten(
    "recurrent",
    ("h = (1 - z) * n + z * h", "h = n + z * (h - n)"),
    ("gates = mx.addmm(self.bias, x, self.wx.T)", 'gates = self.bias + mx.einsum("bti,gi->btg", x, self.wx)'),
    ("x = nn.elu(self.front(x))", "x = (lambda u: mx.where(u > 0, u, mx.exp(u) - 1))(self.front(x))"),
    ("mx.sigmoid(f) * c + mx.sigmoid(i)", "(0.5 + 0.5 * mx.tanh(f / 2)) * c + mx.sigmoid(i)"),
)
