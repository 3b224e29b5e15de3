"""Faults of the state-space layer's port, and other ways to write it that are right."""

from tests.exact.pairs.planting import planted_in, rewritten

LACKS = {
    "A = mx.exp(self.A_log)": "a = torch.exp(dt",
    "A = -self.A_log": "a = torch.exp(dt",
    "delta = nn.softplus(delta @ self.dt_proj.weight.T)": "dt = F.softplus(",
    "mx.expand_dims(x, -1)": "bx = (dt * x)",
    "new = new + h": "state = a[:, t] * state",
    "        if False:": "state = a[:, t] * state",
    "y = y + x": "y = torch.stack(made, dim=1) + self.D * x",
    "y = y * 1.0": "y = torch.stack(made, dim=1) + self.D * x",
    "x = self.conv1d(x)": "x = F.silu(",
    "return self.out_proj(z * y)": "return self.out_proj(",
    "return self.out_proj(y)": "return self.out_proj(",
    "h = x + self.mixer(x)": "return self.norm_f(",
}
"""Of a fault by which the port lacks an operation: the line of the reference that has it."""

FAULTS = planted_in(
    "state_space",
    ("A = -mx.exp(self.A_log)", "A = mx.exp(self.A_log)", "", "-|factor -1|negative"),
    ("A = -mx.exp(self.A_log)", "A = -self.A_log", "", "exp"),
    ("delta = nn.softplus(self.dt_proj(delta))", "delta = mx.exp(self.dt_proj(delta))", "", "softplus", "exp"),
    (
        "delta = nn.softplus(self.dt_proj(delta))",
        "delta = nn.relu(self.dt_proj(delta))",
        "",
        "softplus",
        "relu|maximum",
    ),
    ("delta = nn.softplus(self.dt_proj(delta))", "delta = nn.softplus(delta @ self.dt_proj.weight.T)", "", "bias"),
    ("mx.expand_dims(delta * x, -1)", "mx.expand_dims(x, -1)", "", "·"),
    ("delta, B, C = mx.split(", "delta, C, B = mx.split(", "", "split"),
    ("new = new + h * mx.exp(mx.expand_dims(delta, -1) * A)", "new = new + h", "", "exp"),
    (
        "new = new + h * mx.exp(mx.expand_dims(delta, -1) * A)",
        "new = new + h * (1 + mx.expand_dims(delta, -1) * A)",
        "",
        "exp",
    ),
    ("        if h is not None:", "        if False:", "new = mx.expand_dims(delta * x, -1)", "+ "),
    ("y = y + self.D * x", "y = y + x", "", "d"),
    ("y = y + self.D * x", "y = y * 1.0", "", "mixer.d|d ·|· d|+"),
    ("(self.kernel - 1, 0), (0, 0)]", "(0, self.kernel - 1), (0, 0)]", "", "pad|slice|3"),
    ("(self.kernel - 1, 0), (0, 0)]", "(self.kernel // 2, self.kernel // 2 - 1), (0, 0)]", "", "pad|slice|3"),
    ("x = nn.silu(self.conv1d(x))", "x = self.conv1d(x)", "", "silu"),
    ("x = nn.silu(self.conv1d(x))", "x = nn.gelu(self.conv1d(x))", "", "silu", "gelu|erf"),
    ("return self.out_proj(nn.silu(z) * y)", "return self.out_proj(z * y)", "", "silu"),
    ("return self.out_proj(nn.silu(z) * y)", "return self.out_proj(y)", "", "silu|·"),
    ("x, z = mx.split(self.in_proj(x), 2, axis=-1)", "z, x = mx.split(self.in_proj(x), 2, axis=-1)", "", "chunk|split"),
    ("h = x + self.mixer(self.norm(x))", "h = self.norm(x) + self.mixer(self.norm(x))", "", "norm|input 0"),
    ("h = x + self.mixer(self.norm(x))", "h = x + self.mixer(x)", "", "norm"),
    ("self.norm = nn.RMSNorm(dim)", "self.norm = nn.RMSNorm(dim, eps=1e-6)", "self.norm(x)", "1e-05", "1e-06"),
    (
        "self.last = nn.RMSNorm(dim, eps=1e-5)",
        "self.last = nn.RMSNorm(dim, eps=1e-8)",
        "return self.last(h)",
        "1e-05",
        "1e-08",
    ),
    ("transpose(0, 2, 1)", "transpose(0, 2, 1)[:, ::-1]", "self.conv1d(x)", "flip|revers|conv1d.weight"),
    (
        "x = mx.pad(x, [(0, 0), (self.kernel - 1, 0), (0, 0)])",
        "x = mx.pad(x, [(0, 0), (self.kernel - 1, 0), (0, 0)]).astype(mx.float16).astype(mx.float32)",
        "",
        "float16",
    ),
    ("y = (new @ mx.expand_dims(C, -1)).squeeze(2)", "y = (new @ mx.expand_dims(B, -1)).squeeze(2)", "", "split"),
    lacks=LACKS,
)

REWRITES = rewritten(
    "state_space",
    ("y = (new @ mx.expand_dims(C, -1)).squeeze(2)", "y = mx.sum(new * C[:, None], axis=-1)"),
    ("delta = nn.softplus(self.dt_proj(delta))", "delta = mx.log1p(mx.exp(self.dt_proj(delta)))"),
    ("return self.out_proj(nn.silu(z) * y)", "return self.out_proj(z * y * mx.sigmoid(z))"),
    ("outputs, h = [], None", "outputs, h = [], mx.zeros((x.shape[0], x.shape[2], self.states))"),
)
