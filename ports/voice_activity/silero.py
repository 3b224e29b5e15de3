"""Silero VAD on speech, noise and silence: 120 chunks, each of which takes the state of the one before."""

from __future__ import annotations

import wave
from functools import cache, partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from ports.pair import Departure, Pair, Sides

CHUNKS, SILENT, NOISY = 120, 8, 12
"""All chunks, those of silence at the start, and those of noise at the end; between them somebody speaks."""
CHUNK = {16000: 512, 8000: 256}
"""Samples, by the rate in Hz."""


def shipped(package: str, path: str) -> Path:
    """A file of an installed package, which is not imported: silero-vad sets the number of PyTorch's threads."""
    return Path(str(distribution(package).locate_file(path)))


SCRIPT = shipped("silero-vad", "silero_vad/data/silero_vad.jit")
OTHER = shipped("silero-vad", "silero_vad/data/silero_vad_16k.safetensors")
SPEECH = shipped("s3tokenizer", "s3tokenizer/assets/BAC009S0764W0121.wav")


class Reference(nn.Module):
    """Audio (1, samples) at `rate` -> the probability of speech (1, chunk), and the states (chunk, 2, 1, 128)."""

    def __init__(self, rate: int):
        super().__init__()
        self.rate, self.vad = rate, torch.jit.load(SCRIPT)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        self.vad.reset_states()
        probabilities, states = [], []
        for chunk in audio.split(CHUNK[self.rate], 1):
            probabilities.append(self.vad(chunk, self.rate))
            states.append(self.vad._state)
        return torch.cat(probabilities, 1), torch.stack(states)


@cache
def script_weights() -> dict[str, np.ndarray]:
    """Those of the script, by mlx-audio's names: `vad_16k.conv1.weight`; channels last, the LSTM's biases added."""
    stored = {name: value.numpy() for name, value in torch.jit.load(SCRIPT).state_dict().items()}
    named = {}
    for ours, theirs in (("_model", "vad_16k"), ("_model_8k", "vad_8k")):
        named[f"{theirs}.stft_conv.weight"] = stored[f"{ours}.stft.forward_basis_buffer"]
        for layer in range(4):
            for leaf in ("weight", "bias"):
                named[f"{theirs}.conv{layer + 1}.{leaf}"] = stored[f"{ours}.encoder.{layer}.reparam_conv.{leaf}"]
        for leaf in ("weight", "bias"):
            named[f"{theirs}.final_conv.{leaf}"] = stored[f"{ours}.decoder.decoder.2.{leaf}"]
        named |= _lstm(f"{theirs}.lstm", f"{ours}.decoder.rnn", stored)
    return _channels_last(named)


def other_weights() -> dict[str, np.ndarray]:
    """Those of the safetensors beside the script, which has the 16 kHz model of another training."""
    stored = load_file(OTHER)
    named = {f"vad_16k.{name}": value for name, value in stored.items() if not name.startswith("lstm_cell.")}
    named |= _lstm("vad_16k.lstm", "lstm_cell", stored)
    return script_weights() | _channels_last(named)


def _lstm(theirs: str, ours: str, stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    bias = stored[f"{ours}.bias_ih"] + stored[f"{ours}.bias_hh"]
    named = {"Wx": stored[f"{ours}.weight_ih"], "Wh": stored[f"{ours}.weight_hh"], "bias": bias}
    return {f"{theirs}.{leaf}": value for leaf, value in named.items()}


def _channels_last(named: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value.transpose(0, 2, 1) if value.ndim == 3 else value for name, value in named.items()}


def candidate(rate: int, weights: dict[str, np.ndarray]) -> Any:
    """The port, with its own `feed` of chunks and states."""
    import mlx.core as mx
    from mlx_audio.vad.models.silero_vad import Model, ModelConfig

    model = Model(ModelConfig())
    named = model.sanitize({name: mx.array(value) for name, value in weights.items()})
    model.load_weights(list(named.items()), strict=True)
    model.eval()

    def call(audio: Any) -> Any:
        state, probabilities, states = model.initial_state(1, rate), [], []
        for start in range(0, audio.shape[1], CHUNK[rate]):
            probability, state = model.feed(audio[:, start : start + CHUNK[rate]], state, rate)
            probabilities.append(probability)
            states.append(state.state)
        return mx.concatenate(probabilities, 1), mx.stack(states)

    return call


def audio(rate: int) -> np.ndarray:
    """(1, samples): silence, quiet, what somebody says in s3tokenizer's wheel, again if that is short, and noise.

    One chunk alone is silent: what equal chunks give could not be told apart.
    """
    with wave.open(str(SPEECH)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 2**15
    if rate == 8000:
        said = (said[:-1:2] + said[1::2]) / 2
    said = np.resize(said, (CHUNKS - SILENT - NOISY) * CHUNK[rate])
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, NOISY * CHUNK[rate]).astype(np.float32)
    quiet = random.normal(0, 1e-4, (SILENT - 1) * CHUNK[rate]).astype(np.float32)
    return np.concatenate([np.zeros(CHUNK[rate], np.float32), quiet, said, noise])[None]


def sides(rate: int, folder: Path) -> Sides:
    return Sides(partial(Reference, rate), candidate(rate, script_weights()), [{"audio": audio(rate)}])


def other_sides(folder: Path, *, mended: bool = False) -> Sides:
    """Two chunks of speech: enough to tell another checkpoint."""
    weights = script_weights() if mended else other_weights()
    spoken = audio(16000)[:, 40 * 512 : 42 * 512]
    return Sides(partial(Reference, 16000), candidate(16000, weights), [{"audio": spoken}])


PACKAGES = ("mlx-audio", "silero-vad", "s3tokenizer")
PAIRS = (
    *(Pair(f"mlx-audio/silero-vad, {rate} Hz", PACKAGES, partial(sides, rate)) for rate in CHUNK),
    Pair(
        "mlx-audio/silero-vad, weights of another training",
        PACKAGES,
        other_sides,
        (Departure("Every weight but those of the STFT is another training's.", "another checkpoint's weights", ""),),
        partial(other_sides, mended=True),
        "the weights of the script",
    ),
)
