"""Chatterbox Turbo and Nano: text tokens to speech tokens by a GPT-2 that is sampled without guidance."""

from reference.turbo.generation import decode, each_token, prefill, speech_only
from reference.turbo.model import TurboT3
from reference.turbo.sampling import sample
from reference.turbo.stage import run_prefill, run_rest, run_step

__all__ = ["TurboT3", "decode", "each_token", "prefill", "run_prefill", "run_rest", "run_step", "sample", "speech_only"]
