"""The faults that `parity demo` can plant, for its help text as well: nothing is loaded with them."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong with the port then, and its one line, as it is and with the fault."""

    what: str
    old: str
    new: str


FAULTS = (
    Fault("an approximation of GELU", "nn.gelu(self.up", "nn.gelu_approx(self.up"),
    Fault("attention scaled by the whole width", "scale = (WIDTH // HEADS) ** -0.5", "scale = WIDTH**-0.5"),
    Fault("attention to what comes", ', mask="causal"', ""),
    Fault("a convolution that sees what comes", "[(0, 0), (KERNEL - 1, 0), (0, 0)]", "[(0, 0), (1, 1), (0, 0)]"),
    Fault(
        "a convolution's kernel turned round",
        "stored = {name: value.swapaxes(1, 2)",
        "stored = {name: value[..., ::-1].copy().swapaxes(1, 2)",
    ),
    Fault("another slope of a leaky ReLU", "self.conv(before), 0.1)", "self.conv(before), 0.01)"),
)

TRAINED_FAULTS = (
    Fault(
        "padding that reflects the last sample too",
        "mx.arange(x.shape[-1] - 2, x.shape[-1] - pad - 2, -1)",
        "mx.arange(x.shape[-1] - 1, x.shape[-1] - pad - 1, -1)",
    ),
    Fault("a power for a magnitude", "x = mx.sqrt(real * real + imag * imag)", "x = real * real + imag * imag"),
    Fault(
        "the first samples of a chunk kept for the next, not the last",
        "chunk_mx[:, -branch.config.context_size :]",
        "chunk_mx[:, : branch.config.context_size]",
    ),
)
"""Those of `parity demo --trained`, in mlx-audio's port of silero-vad."""


def numbered(faults: tuple[Fault, ...]) -> str:
    """What each fault is, with its number, as `--fault` takes it."""
    return ", ".join(f"{number} {fault.what}" for number, fault in enumerate(faults, 1))


FAULT_HELP = f"plant a fault in the port: {numbered(FAULTS)}; with --trained: {numbered(TRAINED_FAULTS)}"
TRAINED_HELP = (
    "judge silero-vad and the port of it in mlx-audio, with trained weights; pip downloads both into this folder"
)
