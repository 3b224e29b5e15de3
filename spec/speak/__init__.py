"""`speak`, the command line of both sides, without a framework: each side hands over its `Chatterbox`.

python -m reference speak TEXT -o OUT.wav [--checkpoint DIR] [--voice VOICE] [--stream]
python -m mlx_impl  speak TEXT -o OUT.wav [--checkpoint DIR] [--voice VOICE] [--stream]
"""

from __future__ import annotations

import argparse
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from parity.base.arguments import Parser
from parity.base.errors import InputError
from parity.base.files import WAV, replacing, require_new, try_outputs, writing
from parity.base.gate import PASS, guarded
from parity.base.names import meant_path
from spec.audio import Voice, load_voice
from spec.config import CHATTERBOX_SIZES, ChatterboxConfig
from spec.draws import Draws
from spec.files.checkpoint import CHATTERBOX, VOICES
from spec.files.conditionals import SUFFIXES, check_fit, load_conditionals, save_conditionals
from spec.files.wav_file import wav
from spec.languages import LANGUAGES
from spec.speak.model import MODELS, model_for
from spec.speak.stream import MODES as STREAMS
from spec.speak.stream import check_finite, check_new, stream_to
from spec.synthetic.cache import cached
from spec.watermark.find import find_watermark

NOISE = "made-up weights, so the voice is NOISE; give --checkpoint DIR, as published, for speech"
NAMED = 5  # characters that a warning names
SUFFIXES_WRITTEN = ("", ".wav", ".wave")
SYNTHESIS = ("tokens", "mel", "wave")  # the stages that the real-time factor counts


def parser(side: str, dtypes: Iterable[str], others: str = "") -> argparse.ArgumentParser:
    top = Parser(prog=f"python -m {side}", epilog=others)
    speak = top.add_subparsers(dest="command", required=True).add_parser(
        "speak",
        help="text and a voice to a WAV file",
        example=f"python -m {side} speak 'Hello.' --checkpoint DIR --voice me.wav -o hello.wav",
    )
    speak.add_argument("text")
    add_synthesis(speak, dtypes)
    how = (
        "new file for the voice's conditions, for another --voice: .pt as upstream has them, .safetensors as MLX ports"
    )
    speak.add_argument("--save-voice", type=Path, metavar="FILE", help=how)
    speak.add_argument("--language", metavar="XX", help="of the text, which the multilingual T3 speaks")
    speak.add_argument("--model", choices=MODELS, help="of the family (that of the checkpoint's T3; or chatterbox)")
    how = "file of the T3, or the end of its name: v3 (t3_cfg; with --language t3_mtl23ls_v2, or v3 where it is alone)"
    speak.add_argument("--t3", metavar="NAME", help=how)
    how = "write audio as it is made, the same (exact, the default), or sooner and other audio (prefixes of the tokens)"
    speak.add_argument("--stream", nargs="?", choices=STREAMS, const="exact", help=how)
    speak.add_argument("--max-tokens", type=int, default=1000, help="25 a second of audio (%(default)s)")
    return top


def add_synthesis(command: argparse.ArgumentParser, dtypes: Iterable[str]) -> None:
    """The options of every command that makes audio."""
    command.add_argument("-o", "--out", type=Path, required=True, help="WAV file to write, 24 kHz")
    command.add_argument("--checkpoint", type=Path, help="directory as published (default: a synthetic one, noise)")
    command.add_argument("--voice", type=Path, help="a recording, or conditions (.pt, .safetensors); default: its own")
    command.add_argument(
        "--size", choices=CHATTERBOX_SIZES, help="of the checkpoint (its own; full of a synthetic one)"
    )
    command.add_argument("--dtype", choices=list(dtypes), default="float32", help="to compute in (%(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of every draw; the same on both sides (%(default)s)")
    command.add_argument("--steps", type=int, help="Euler steps of the flow (10; 2 of Turbo and Nano)")
    command.add_argument("--debug", action="store_true", help="show where an error that ends the command was raised")


def main(
    side: str, make: Callable[..., Any], dtypes: Iterable[str], arguments: list[str] | None = None, others: str = ""
) -> int:
    """Speak. Returns 0, 2 for wrong use, broken input or a crash, 130 when interrupted; argparse exits with 2 itself.

    `make(checkpoint, config, dtype)` makes the side's `Chatterbox`, in one of `dtypes`. `others` tells of its other
    commands.
    """
    options = parser(side, dtypes, others).parse_args(arguments)

    def command() -> int:
        speak(options, make)
        return PASS

    return guarded(side, command, options.debug, (InputError, ValueError))


class Clock:
    """Runs the stages in turn and says how long each took; on a terminal also which one is running."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.console = Console(stderr=True)

    def __call__(self, name: str, run: Callable[..., Any], *given: Any, **more: Any) -> Any:
        start = time.perf_counter()
        with self.console.status(f"{name} ..."):
            result = run(*given, **more)
        self.seconds[name] = time.perf_counter() - start
        print(f"{name:12s} {self.seconds[name]:7.2f} s", flush=True)
        return result


def speak(options: argparse.Namespace, make: Callable[..., Any]) -> None:
    """Check what is given, speak and write the audio. A stream is watermarked when it is whole, as other audio is."""
    check(options)
    draws, clock = Draws(options.seed), Clock()
    checkpoint, model = options.checkpoint, model_for(options)
    config, steps = model.config, model.config.flow.steps if options.steps is None else options.steps
    voice = None if options.voice is None else read_voice(options.voice, config, model.load_voice)
    if checkpoint is None:
        warn(f"no --checkpoint: {NOISE}")
        other = "" if model.name == CHATTERBOX else model.name
        checkpoint = clock("making", cached, model.size, model.files, model=other)
    require_place(options.out, checkpoint, options.voice)
    if options.save_voice is not None:
        require_new([options.save_voice])
    if voice is None:
        voice = read_voice(own_voice(checkpoint), config)
    said, weights = find_watermark()
    side = clock("loading", make, checkpoint, config, options.dtype)
    warn_of_unknown(side.text.unknown(model.normalize(options.text), options.language))
    conditions = voice if isinstance(voice, dict) else clock("voice", side.conditions, voice)
    if options.save_voice is not None:
        save_conditionals(options.save_voice, conditions)
    sampling = replace(side.sampling, max_tokens=options.max_tokens)
    given = (options.text, conditions, sampling, draws, options.language)
    rate = side.config.vocoder.sample_rate
    if options.stream is None:
        wave, counted, spent = at_once(side, given, steps, clock)
    else:
        wave, first, spent = stream_to(options.out, side.stream(*given, steps, STREAMS[options.stream]), rate)
        counted = f"the whole stream, its first audio after {first:.2f} s"
    seconds = len(wave) / rate
    if weights is not None:
        wave = clock("watermark", side.marked, wave, weights)
    if weights is not None or options.stream is None:
        write(options.out, wave, rate)
    print(
        f"{options.out}: {seconds:.2f} s of audio, {round(25 * seconds)} tokens, {said}\n"
        f"real-time factor {spent / seconds:.2f}, of {counted}"
    )
    if options.checkpoint is None:
        warn(f"{options.out} was spoken with {NOISE}")


def at_once(side: Any, given: tuple[Any, ...], steps: int, clock: Clock) -> tuple[np.ndarray, str, float]:
    """The stages in turn: the wave `(N,)`, and which of them took how long together."""
    _, conditions, _, draws, _ = given
    tokens = clock("tokens", side.tokens, *given)
    mel = clock("mel", side.mel, tokens, conditions, draws, steps)
    if mel.shape[2] < 2:
        raise ValueError(f"T3 said {len(tokens)} token, too little for a sound; try another seed or a longer text")
    wave = clock("wave", side.wave, mel, draws)
    spent = sum(clock.seconds[stage] for stage in SYNTHESIS)
    return wave, f"synthesis only ({', '.join(SYNTHESIS)}: {spent:.2f} s)", spent


def check(options: argparse.Namespace) -> None:
    """Raises `ValueError` for options that cannot be right, before anything is loaded."""
    if not options.text.isascii() and any("\ud800" <= character <= "\udfff" for character in options.text):
        raise ValueError("the text is not UTF-8; give it in the encoding of the terminal")
    if options.save_voice is not None and options.save_voice.suffix not in SUFFIXES:
        raise ValueError(f"--save-voice is {options.save_voice}, expected a name that ends in {' or '.join(SUFFIXES)}")
    if options.max_tokens < 1:
        raise ValueError(f"--max-tokens is {options.max_tokens}, expected at least 1")
    check_synthesis(options)
    if options.stream is not None:
        check_new(options.out)
    require_place(options.out, options.checkpoint, options.voice)
    if options.language is not None and options.language.lower() not in LANGUAGES:
        raise ValueError(f"--language is {options.language!r}, expected one of {', '.join(LANGUAGES)}")


def check_synthesis(options: argparse.Namespace) -> None:
    """Raises `ValueError` for what every command that makes audio is given."""
    if options.steps is not None and options.steps < 1:
        raise ValueError(f"--steps is {options.steps}, expected at least 1")
    if options.seed < 0:
        raise ValueError(f"--seed is {options.seed}, expected 0 or more")
    if not options.out.parent.is_dir():
        raise ValueError(
            f"{options.out}: there is no directory {options.out.parent}; name a WAV file in one that exists"
        )
    if options.out.suffix.lower() not in SUFFIXES_WRITTEN:
        raise ValueError(
            f"{options.out}: {options.command} writes WAV, not {options.out.suffix[1:].upper()}; "
            f"name {options.out.with_suffix('.wav').name} and convert it"
        )
    if options.checkpoint is not None and not options.checkpoint.is_dir():
        near = meant_path(options.checkpoint)
        raise ValueError(f"{options.checkpoint}: no such directory; expected a checkpoint as published{near}")


def warn_of_unknown(characters: str) -> None:
    """Name the characters that the model has no token for, the first of them."""
    if not characters:
        return
    named = ", ".join(f"{each} ({unicodedata.name(each, 'no name')})" for each in characters[:NAMED])
    rest = f" and {len(characters) - NAMED} more" if len(characters) > NAMED else ""
    warn(f"the model has no token for {named}{rest}, so nobody will hear them; spell them out, or give --language")


def warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


def own_voice(checkpoint: Path) -> Path:
    """The voice that comes with a checkpoint."""
    for name in VOICES:
        if (file := checkpoint / name).is_file():
            return file
    raise ValueError(f"{checkpoint}: no conds.pt or conds.safetensors, no voice of its own; give --voice, a recording")


def read_voice(
    file: Path,
    config: ChatterboxConfig,
    load: Callable[[Path, Callable[[str], object]], Voice] = load_voice,
) -> Voice | dict[str, np.ndarray]:
    """A recording, read by `load`, or conditions that fit a model of the configuration, by the file's suffix."""
    if file.suffix not in SUFFIXES:
        return load(file, warn)
    conditions = load_conditionals(file)
    check_fit(file, conditions, config)
    return conditions


def require_place(out: Path, *inputs: Path | None) -> None:
    """Raises `InputError` where the audio could not be written to `out`, or would destroy an input."""
    try_outputs([(out, WAV)], filter(None, inputs))


def write(out: Path, wave: np.ndarray, rate: int) -> None:
    """Write a WAV file, whole or not at all: what was there before is replaced by all of it."""
    check_finite(wave)
    with replacing(out) as partial, writing(out):
        partial.write_bytes(wav(wave, rate))
