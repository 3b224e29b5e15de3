"""What ports of language models do otherwise than their references, and lines with which several are equal."""

from __future__ import annotations

from typing import Any

from ports.pair import Departure

GELU = Departure("the exact GELU, where the configuration asks for the one with tanh", "approximate=tanh", "erf")
APPROXIMATE = {"nn.gelu(": "nn.gelu_approx("}
TANH = Departure("GELU by tanh, where the configuration asks for the exact one", "approximate=none", "tanh(")
EXACT = {"nn.gelu_approx(": "nn.gelu("}
LATENT_EPSILON = Departure(
    "norms of the latents add 1e-05, where transformers adds 1e-06 whatever the configuration says", "1e-06", "1e-05"
)
WINDOW = (
    Departure(
        "every token attends to all before it, where the configuration says 8", "- 8)", "which the reference has masked"
    ),
    Departure("the cache keeps all tokens, where the configuration says 8", "start=-7", "sliceupdate"),
)
WINDOWED = {"create_attention_mask(h, cache[0])": "create_attention_mask(h, cache[0], window_size=8)"}
ROTATED = Departure("a whole head is rotated, where the configuration says a half of it", "dim=3", "start=[0, 0, 0, ")
ROUTED_AFTER = Departure(
    "the chosen experts' weights are made to sum to 1, where the configuration leaves them as they are",
    "topk(softmax(x",
    "softmax(gatheraxis(x",
)
ONE_GROUP = Departure(
    "one norm over all channels, where the reference has one over each of two groups", "mean(y, dim=[-1]", "0.0078125"
)
GROUPED = {
    "return mx.fast.rms_norm(hidden_states, self.weight, self.eps)": (
        "shape = hidden_states.shape; "
        "grouped = hidden_states.reshape(*shape[:-1], 2, -1); "
        "return self.weight * mx.fast.rms_norm(grouped, None, self.eps).reshape(shape)"
    )
}
SHORT = Departure(
    "rotary frequencies: transformers takes the short factors at every length, the port the long ones",
    "constant(8,)",
    "constant(8,)",
)
LONG_AT_ALL = Departure(
    "rotary frequencies: the port takes the long factors at every length, transformers the short ones up to the "
    "original length",
    "constant(8,)",
    "constant(8,)",
)
LONG_SCALE = Departure(
    "the port scales by the long factor at every length, transformers by the short one up to the original length",
    "reference: x\n",
    "x · 1.7320508",
)
SHORT_FACTORS = {"mx.array(long_factor": "mx.array(short_factor"}
UNBIASED: dict[str, Any] = {
    "refused": "parameters not in model",
    "reason": "the port has no biases of attention, where the configuration asks for them",
}
BIASED = {
    "* head_dim, bias=False)": "* head_dim, bias=True)",
    "head_dim, dim, bias=False)": "head_dim, dim, bias=True)",
}
UNSCALED: dict[str, Any] = {
    "refused": "'NoneType' object has no attribute 'get'",
    "reason": "the port needs `rope_scaling`, which a configuration without rotary scaling does not have",
}
