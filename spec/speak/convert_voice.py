"""`convert-voice`, a command of both sides, without a framework: each side hands over its `VoiceConverter`.

python -m reference convert-voice IN.wav --voice VOICE -o OUT.wav [--checkpoint DIR]
python -m mlx_impl  convert-voice IN.wav --voice VOICE -o OUT.wav [--checkpoint DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.base.arguments import Parser
from parity.base.errors import InputError
from parity.base.gate import PASS, guarded
from spec.audio import Voice, load_speech
from spec.config import CHATTERBOX_SIZES
from spec.draws import Draws
from spec.speak import NOISE, Clock, add_synthesis, check_synthesis, own_voice, read_voice, require_place, warn, write
from spec.speak.model import size_for
from spec.synthetic import VOICE
from spec.synthetic.cache import cached
from spec.watermark.config import WatermarkConfig
from spec.watermark.find import find_watermark

COMMAND = "convert-voice"
SYNTHESIS = ("heard", "mel", "wave")  # the stages that the real-time factor counts


def parser(side: str, dtypes: Iterable[str]) -> argparse.ArgumentParser:
    top = Parser(prog=f"python -m {side}")
    convert = top.add_subparsers(dest="command", required=True).add_parser(
        COMMAND,
        help="speech to the same speech in another voice",
        example=f"python -m {side} {COMMAND} me.wav --checkpoint DIR --voice you.wav -o out.wav",
    )
    convert.add_argument("speech", type=Path, help="the recording whose words are to be said")
    add_synthesis(convert, dtypes)
    return top


def main(side: str, make: Callable[..., Any], dtypes: Iterable[str], arguments: list[str] | None = None) -> int:
    """Convert. Returns 0, 2 for wrong use, broken input or a crash, 130 when interrupted; argparse exits with 2 itself.

    `make(checkpoint, config, dtype)` makes the side's `VoiceConverter`, in one of `dtypes`.
    """
    options = parser(side, dtypes).parse_args(arguments)

    def command() -> int:
        convert(options, make)
        return PASS

    return guarded(side, command, options.debug, (InputError, ValueError))


def convert(options: argparse.Namespace, make: Callable[..., Any]) -> None:
    """Check what is given, hear the speech, say it in the other voice and write the audio."""
    check_synthesis(options)
    inputs = options.speech, options.voice
    require_place(options.out, options.checkpoint, *inputs)
    speech = load_speech(options.speech, warn)
    draws, clock = Draws(options.seed), Clock()
    checkpoint, size = options.checkpoint, size_for(options)
    config = replace(CHATTERBOX_SIZES[size], watermark=WatermarkConfig())  # of one size for all
    steps = config.flow.steps if options.steps is None else options.steps
    if checkpoint is None:
        warn(f"no --checkpoint: {NOISE}")
        checkpoint = clock("making", cached, size, ["s3gen", VOICE])
    require_place(options.out, checkpoint, *inputs)
    voice = read_voice(options.voice or own_voice(checkpoint), config)
    said, weights = find_watermark()
    side = clock("loading", make, checkpoint, config, options.dtype)
    conditions = clock("voice", side.target, voice.voice_24) if isinstance(voice, Voice) else voice
    tokens = clock("heard", side.heard, speech)
    wave = clock("wave", side.wave, clock("mel", side.mel, tokens, conditions, draws, steps), draws)
    rate = config.vocoder.sample_rate
    seconds, spent = len(wave) / rate, sum(clock.seconds[stage] for stage in SYNTHESIS)
    if weights is not None:
        wave = clock("watermark", side.marked, wave, weights)
    write(options.out, wave, rate)
    print(
        f"{options.out}: {seconds:.2f} s of audio, {len(tokens)} tokens, {said}\n"
        f"real-time factor {spent / seconds:.2f}, of synthesis only ({', '.join(SYNTHESIS)}: {spent:.2f} s)"
    )
    if options.checkpoint is None:
        warn(f"{options.out} was spoken with {NOISE}")
