"""Faults of what `speak` and `--stream` run alone: no segment of a whole run shows any of them.

A stage is judged there as one. Of a mel or a wave that is wrong from end to end no family of faults is named.
"""

from __future__ import annotations

import mlx_impl.flow
import mlx_impl.synthesis
import mlx_impl.t3.generation
from mlx_impl.speech import Chatterbox
from mlx_impl.vocoder.streaming import VocoderStream
from tests.mutants.battery import Patch, mutant, wrap
from tests.mutants.edges import hidden

SPEAK, ASKED, STREAM, PREFIXES = (f"tiny-speak{kind}" for kind in ("", "-asked", "-stream", "-prefixes"))
MEL, STREAMED = "spoken.mel", "spoken.wave[of=stream]"


def solved(change) -> Patch:
    """The arguments of the flow's solver changed: in a whole run each step is a segment."""
    return lambda m: wrap(m, mlx_impl.flow, "solve_euler", lambda solve, *given: solve(*change(*given)))


mutant("speak without its last Euler step", SPEAK, MEL)(
    solved(lambda decoder, noise, grid, *rest: (decoder, noise, grid[:-1], *rest))
)
mutant("speak with a guidance of the flow of 0.5", SPEAK, MEL)(solved(lambda *given: (*given[:-1], 0.5)))


@mutant("speak without the fade", SPEAK, "spoken.wave")
def _(m):
    m.setattr(mlx_impl.synthesis, "fade_in", lambda wave, rate: wave)


@mutant("speak with each token a position early", SPEAK, "spoken.tokens", "decision")
def _(m):
    def decode(original, model, token, position, *rest):
        return original(model, token, position - 1, *rest)

    wrap(m, mlx_impl.t3.generation, "decode", decode)


@mutant("speak with the speaker of the voice as it is cut for T3", SPEAK, "spoken.voice")
def _(m):
    def conditions(original, self, voice, *rest):
        return original(self, voice._replace(whole_16=voice.voice_16), *rest)

    wrap(m, Chatterbox, "conditions", conditions)


@hidden("speak with an emotion of 0.5 whatever is asked", ASKED, "spoken.emotion", (SPEAK,), "gain")
def _(m):
    wrap(m, Chatterbox, "conditions", lambda original, self, voice, emotion=0.5: original(self, voice))


@hidden("speak in ten steps whatever is asked", ASKED, MEL, (SPEAK,))
def _(m):
    def mel(original, self, tokens, conditions, draws, steps=10, finalize=True):
        return original(self, tokens, conditions, draws, 10, finalize)

    wrap(m, Chatterbox, "mel", mel)


@hidden("two equal tokens do not end speech", ASKED, "spoken.tokens", (SPEAK,), "shape")
def _(m):
    m.setattr(mlx_impl.t3.generation, "amend", lambda logits, stop, found: logits)


@hidden("stream whose source begins anew in each piece", STREAM, STREAMED, (SPEAK,))
def _(m):
    def excite(original, self, until):
        self.turned = None
        original(self, until)

    wrap(m, VocoderStream, "excite", excite)


@hidden("stream that lets go of frames too early", STREAM, STREAMED, (SPEAK,))
def _(m):
    wrap(m, VocoderStream, "forget", lambda forget, self, until: forget(self, until + 10))


@hidden("stream that withholds no frames of a prefix", PREFIXES, "spoken.lengths[of=stream]", (STREAM,), "shape")
def _(m):
    wrap(m, Chatterbox, "mel", lambda original, self, *given, finalize=True: original(self, *given))
