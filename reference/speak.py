"""`speak`, the command line of both sides. It imports no framework: each side hands it its `Chatterbox`.

python -m reference speak TEXT -o OUT.wav --checkpoint DIR --voice VOICE
python -m mlx_impl  speak TEXT -o OUT.wav --checkpoint DIR --voice VOICE
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reference.audio import load_voice
from reference.conditionals import load_conditionals
from reference.config import CHATTERBOX_SIZES, SamplingConfig
from reference.draws import Draws


def parser(side: str) -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=f"python -m {side}")
    speak = top.add_subparsers(dest="command", required=True).add_parser("speak", help="text and a voice to a WAV file")
    speak.add_argument("text")
    speak.add_argument("-o", "--out", type=Path, required=True, help="WAV file to write, 24 kHz")
    speak.add_argument("--checkpoint", type=Path, required=True, help="directory as published, or a synthetic one")
    speak.add_argument("--voice", type=Path, required=True, help="a recording, or conditions (.safetensors)")
    speak.add_argument("--size", choices=CHATTERBOX_SIZES, default="full", help="of the checkpoint (%(default)s)")
    speak.add_argument("--seed", type=int, default=0, help="of every draw; the same on both sides (%(default)s)")
    speak.add_argument("--steps", type=int, default=10, help="Euler steps of the flow (%(default)s)")
    speak.add_argument("--max-tokens", type=int, default=1000, help="25 a second of audio (%(default)s)")
    return top


def main(side: str, make: Callable[..., Any], arguments: list[str] | None = None) -> int:
    """Speak. Returns 0, or 2 for wrong use or broken input, with nothing written then."""
    options = parser(side).parse_args(arguments)
    try:
        speak(options, make)
    except ValueError as error:
        print(f"{side}: {error}", file=sys.stderr)
        return 2
    return 0


def speak(options: argparse.Namespace, make: Callable[..., Any]) -> None:
    """Run the stages in turn, saying how long each took, and write the audio."""
    began = time.perf_counter()

    def stage(name: str, run: Callable[..., Any], *given: Any) -> Any:
        start = time.perf_counter()
        result = run(*given)
        print(f"{name:12s} {time.perf_counter() - start:7.2f} s")
        return result

    if options.steps < 1:
        raise ValueError(f"--steps is {options.steps}, expected at least 1")
    sampling = SamplingConfig(max_tokens=options.max_tokens)
    draws = Draws(options.seed)
    side = stage("loading", make, options.checkpoint, CHATTERBOX_SIZES[options.size])
    conditions = stage("voice", conditions_of, side, options.voice)
    tokens = stage("tokens", side.tokens, options.text, conditions, sampling, draws)
    mel = stage("mel", side.mel, tokens, conditions, draws, options.steps)
    wave = stage("wave", side.wave, mel, draws)
    rate = side.config.vocoder.sample_rate
    marked, wave = watermark(wave, rate)
    write(options.out, wave, rate)
    seconds = len(wave) / rate
    factor = (time.perf_counter() - began) / seconds
    print(f"{options.out}: {seconds:.2f} s of audio, real-time factor {factor:.2f}, {marked}")


def conditions_of(side: Any, voice: Path) -> dict[str, np.ndarray]:
    """The conditions of a voice: from a file of them, or made from a recording."""
    if voice.suffix == ".pt":
        raise ValueError(
            f"{voice}: convert it first: python -m reference.conditioning.conds_pt {voice} OUT.safetensors"
        )
    if voice.suffix == ".safetensors":
        return load_conditionals(voice)
    return side.conditions(load_voice(voice))


def watermark(wave: np.ndarray, rate: int) -> tuple[str, np.ndarray]:
    """Perth's watermark as upstream applies it, where `resemble-perth` is installed; what was done, and the wave."""
    if importlib.util.find_spec("perth") is None:
        return "no watermark (resemble-perth is not installed)", wave
    import perth

    return "with Perth's watermark", perth.PerthImplicitWatermarker().apply_watermark(wave, sample_rate=rate)


def write(out: Path, wave: np.ndarray, rate: int) -> None:
    """Write a WAV file, whole or not at all."""
    import soundfile

    partial = out.with_name(f".{out.name}.partial")
    try:
        soundfile.write(partial, wave, rate, format="WAV", subtype="FLOAT")
        os.replace(partial, out)
    except (OSError, soundfile.SoundFileError) as error:
        raise ValueError(f"{out}: cannot be written ({error}); name another file") from error
