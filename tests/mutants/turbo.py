"""Faults of Turbo and Nano: of the GPT-2, its sampler, the mean flow, and what `speak` runs of them."""

from __future__ import annotations

from functools import partial

import mlx.core as mx

import mlx_impl.decoder
import mlx_impl.turbo.backbone as backbone
import mlx_impl.turbo.pipeline as pipeline
import mlx_impl.turbo.sampling as sampling
import mlx_impl.turbo.speech as speech
from mlx_impl.ode import time_grid
from spec.text import normalize_punctuation
from spec.turbo import TurboSampling
from tests.mutants.battery import mutant, wrap

T3, FLOW, WHOLE = "tiny-turbo-t3-cuts", "tiny-turbo-flow", "tiny-nano"
SPEAK, NANO, PREFIXES = "tiny-turbo-speak", "tiny-nano-speak", "tiny-turbo-speak-prefixes"


@mutant("GPT-2 with the exact GELU", T3, "t3.backbone.h.0.mlp.act", "activation")
def _(m):
    m.setattr(backbone.F, "gelu_new", backbone.F.gelu)


@mutant("GPT-2 with positions from one", T3, "t3.backbone.h.0.ln_1", "tap")
def _(m):
    def call(original, self, x, cache):
        self.wpe.weight, kept = mx.roll(self.wpe.weight, -1, axis=0), self.wpe.weight
        try:
            return original(self, x, cache)
        finally:
            self.wpe.weight = kept

    wrap(m, backbone.GPT2, "__call__", call)


@mutant("GPT-2 with keys for values", T3, "t3.backbone.h.0.attn.attention", "mixing")
def _(m):
    def call(original, self, q, k, v):
        return original(self, q, k, k)

    wrap(m, backbone.CausalAttention, "__call__", call)


@mutant("top-k of one token less", T3, "t3.top_k[token=0]", "decision")
def _(m):
    wrap(m, sampling, "cut_top_k", lambda cut, scores, top_k: cut(scores, top_k - 1))


@mutant("Turbo's penalty before the cuts", T3, "t3.tokens.8.top_p", "decision")
def _(m):
    seen = []

    def penalized(penalize, scores, previous, penalty):
        seen.append(penalize(scores, previous, penalty))
        return seen[-1]

    wrap(m, sampling, "penalize", penalized)
    wrap(m, sampling, "cut_top_k", lambda cut, scores, top_k: cut(seen[-1], top_k))


@mutant("the start token penalised for every token", T3, "t3.scores[token=1]", "few values")
def _(m):
    m.setattr(sampling, "penalized_tokens", lambda tokens: tokens)


@mutant("a mean flow that is not told where a step ends", FLOW, "decoder.time_mixer[step=0]", "tap")
def _(m):
    def call(original, self, x, mask, mu, t, *rest):
        return original(self, x, mask, mu, mx.concatenate([t.split(2)[0]] * 2), *rest)

    wrap(m, mlx_impl.decoder.ConditionalDecoder, "__call__", call)


@mutant("a mean flow whose step begins at its end", FLOW, "decoder.time_mixer[step=0]", "permutation")
def _(m):
    def call(original, self, x, mask, mu, t, *rest):
        return original(self, x, mask, mu, t[::-1], *rest)

    wrap(m, mlx_impl.decoder.ConditionalDecoder, "__call__", call)


@mutant("a mean flow along the cosine grid", FLOW, "ode.time_grid", "few values")
def _(m):
    m.setattr(pipeline, "mean_grid", time_grid)


@mutant("Turbo's text by the rules of Chatterbox", WHOLE, "text.normalized", "shape")
def _(m):
    m.setattr(pipeline, "normalize_turbo", normalize_punctuation)


@mutant("Turbo without the silence at its end", WHOLE, "tokens", "shape")
def _(m):
    m.setattr(pipeline, "SILENCE", ())


@mutant("speak with Turbo and another silence", SPEAK, "spoken.mel")
def _(m):
    m.setattr(speech, "SILENCE", (4298,) * 3)


@mutant("speak with Turbo along the cosine grid", SPEAK, "spoken.mel")
def _(m):
    m.setattr(speech, "mean_grid", time_grid)


@mutant("speak with Nano in two steps whatever is asked", NANO, "spoken.mel")
def _(m):
    def mel(original, self, tokens, conditions, draws, steps=2, finalize=True):
        return original(self, tokens, conditions, draws, 2, finalize)

    wrap(m, speech.ChatterboxTurbo, "mel", mel)


@mutant("speak with Turbo at another temperature", SPEAK, "spoken.tokens", "decision")
def _(m):
    m.setattr(speech, "TurboSampling", partial(TurboSampling, temperature=1.0))


@mutant("speak with Turbo and an emotion of Chatterbox's", SPEAK, "spoken.emotion", "offset")
def _(m):
    wrap(m, speech.ChatterboxTurbo, "conditions", lambda original, self, voice, emotion=0.5: original(self, voice, 0.5))


@mutant("a stream of Turbo with silence behind every prefix", PREFIXES, "spoken.lengths[of=stream]", "decision")
def _(m):
    def mel(original, self, tokens, conditions, draws, steps=2, finalize=True):
        return original(self, tokens if finalize else [*tokens, *speech.SILENCE], conditions, draws, steps, finalize)

    wrap(m, speech.ChatterboxTurbo, "mel", mel)
