"""The reference on another device, PyTorch's meta, which any machine has: a table left on the CPU is an error."""

import pytest
import torch

from reference.conditioning.conditioner import Conditioner
from reference.flow import Flow
from reference.ode import solve_euler
from reference.t3.generation import decode, prefill
from reference.t3.model import T3
from reference.vocoder import Vocoder
from spec.config import CHATTERBOX_SIZES

CONFIG = CHATTERBOX_SIZES["tiny"]
OTHER = torch.device("meta")


def floats(*shape):
    return torch.ones(shape, device=OTHER)


def tokens(count):
    return torch.ones((1, count), dtype=torch.int64, device=OTHER)


def made(module, config):
    with OTHER:
        return module(config).eval()


def flow():
    model = made(Flow, CONFIG.flow)
    mu, frames = model.encode(tokens(8), [8], finalize=True)
    conditions = model.conditions(mu, frames, floats(1, 6, 80), floats(1, 192))
    return solve_euler(model.decoder, floats(1, 80, 16), floats(3), conditions, 0.7)


def padded():
    mu, _ = made(Flow, CONFIG.flow).encode(tokens(8).expand(2, -1), [8, 5], finalize=True)
    return mu


def vocoder():
    """All but the inverse transform, which looks at the window's values."""
    model, mel = made(Vocoder, CONFIG.vocoder), floats(1, 80, 6)
    x, spectrum = model.generator.begin(mel, model.excite(mel, floats(1, 9), floats(1, 9, 480 * 6)))
    for level in model.generator.levels:
        x = level(x, spectrum)
    return x


def t3():
    model = made(T3, CONFIG.t3)
    cache = model.new_cache()
    prefill(model, tokens(5), tokens(150), floats(1, 32), floats(1), 0.5, cache)
    return decode(model, tokens(1), 1, cache)


def prompt():
    return made(Conditioner, CONFIG).prompt(floats(1, 24000)).embedding


def speech_tokens():
    return made(Conditioner, CONFIG).tokenizer(floats(1, 16000))


@pytest.mark.parametrize("stage", [flow, padded, vocoder, t3, prompt, speech_tokens])
@torch.inference_mode()
def test_every_tensor_is_on_the_device(stage):
    assert stage().device == OTHER


def test_a_tensor_elsewhere_is_seen():
    with pytest.raises(RuntimeError, match="device"):
        floats(3) + torch.arange(3)
