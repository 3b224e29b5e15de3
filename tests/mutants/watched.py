"""Faults of what follows the attention of the multilingual T3, and ends its speech by that."""

from __future__ import annotations

import mlx.core as mx

import mlx_impl.t3.backbone
import mlx_impl.t3.generation
import mlx_impl.t3.stage
from spec.alignment import AlignmentAnalyzer
from tests.mutants.battery import mutant, wrap

WATCHED, TAIL, REPEATED = ("tiny-t3-watched", "tiny-t3-watched-tail", "tiny-t3-watched-repeated")
stage = mlx_impl.t3.stage


def ended(change):
    """What becomes of the stop token, changed before the logits are amended."""
    return lambda m: wrap(m, stage, "amend", lambda amend, logits, stop, end: amend(logits, stop, change(end)))


def attended(change):
    """What is read of the watched heads: the cache, the configuration and the length of the text changed."""
    return lambda m: wrap(m, stage, "text_attention", lambda read, *given: change(read, *given))


mutant("the stop token is not forbidden", WATCHED, "t3.guided_logits[token=0]", "few values")(
    ended(lambda end: max(end, 0))
)
mutant("a long tail does not end speech", TAIL, "t3.guided_logits[token=3]")(ended(lambda end: min(end, 0)))
mutant("a repetition does not end speech", REPEATED, "t3.guided_logits[token=1]")(ended(lambda end: min(end, 0)))


@mutant("stop token forced in the conditional item alone", TAIL, "t3.guided_logits[token=3]", "gain")
def _(m):
    def amend(original, logits, stop, end):
        amended = original(logits, stop, end)
        return mx.concatenate([amended[:1], logits[1:]]) if end == 1 else amended

    wrap(m, stage, "amend", amend)


mutant("watched heads of another text position", WATCHED, "t3.watched", "shift")(
    attended(lambda read, cache, config, length: mx.roll(read(cache, config, length), 1, axis=-1))
)
mutant("one watched head instead of three", WATCHED, "t3.watched")(
    attended(lambda read, *given: mx.repeat(read(*given)[:1], 3, axis=0))
)


@mutant("watched heads of the unconditional item", WATCHED, "t3.watched")
def _(m):
    def watch(original, self, layer, queries, keys):
        original(self, layer, queries[::-1], keys[::-1])

    wrap(m, mlx_impl.t3.backbone.KVCache, "watch", watch)


@mutant("an utterance that is followed anew in each step", TAIL, "t3.attention[token=0]", "constant")
def _(m):
    class Anew(AlignmentAnalyzer):  # the class is the reference's as well
        @classmethod
        def resumed(cls, state):
            return cls(state["text_tokens"].shape[1])

    m.setattr(stage, "AlignmentAnalyzer", Anew)
