"""Load upstream `chatterbox-tts` 0.1.7 as the authority that the reference is tested against.

Importing this module prepares `sys.modules` so that upstream's model files import beside this project's own
PyTorch release; `requirements.txt` in this folder lists the packages. Upstream's files are used unchanged:

- the package `chatterbox` is registered without running its `__init__`, which would import the text-to-speech
  classes and with them the watermarking and loudness packages that no model needs;
- `torchaudio._extension` is replaced, because torchaudio's compiled library links against CUDA and cannot be
  loaded beside a CPU build of PyTorch. The filter banks and the resampler, all that upstream calls, are plain
  Python;
- `onnx` is a placeholder while `s3tokenizer` is imported, which needs it to convert checkpoints only.

    with double_precision(), inject_noise(noise):
        model = build_s3gen()
        model.load_state_dict(state)
        mel, _ = model.flow.inference(...)
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch

from parity.exact.torch import widened

MODEL_PACKAGES = ("s3gen", "t3", "voice_encoder", "s3tokenizer", "tokenizers.tokenizer")

# The modules whose `np` is widened by `double_precision`, by the start of their names.
WIDENED = ("chatterbox.", "s3tokenizer.")
NUMPY_WIDE = {"float32": np.float64, "complex64": np.complex128}


def _prepare_imports() -> None:
    spec = importlib.util.find_spec("chatterbox")
    if spec is None:
        raise ModuleNotFoundError(
            "The package chatterbox-tts is not installed, and these tests compare against it. "
            "Install it into an environment of its own: "
            "pip install --no-deps -r tests/upstream/requirements.txt"
        )
    sys.modules.setdefault("chatterbox", importlib.util.module_from_spec(spec))

    extension = ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension.fail_if_no_align = lambda function: function
    sys.modules.setdefault("torchaudio._extension", extension)

    # Removed again: other packages look for onnx, and a placeholder has no `__spec__` for them to find.
    placeholder = importlib.util.find_spec("onnx") is None
    if placeholder:
        sys.modules["onnx"] = ModuleType("onnx")
    try:
        importlib.import_module("s3tokenizer")
    finally:
        if placeholder:
            del sys.modules["onnx"]

    # Now rather than later: constants that modules compute on import (torchaudio's log floor is the float32
    # epsilon) must keep their values under `double_precision`.
    for name in MODEL_PACKAGES:
        importlib.import_module(f"chatterbox.models.{name}")


_prepare_imports()


def build_s3gen(meanflow: bool = False) -> torch.nn.Module:
    """Upstream's `S3Gen` (models/s3gen/s3gen.py, S3Token2Wav) in eval mode, randomly initialised."""
    from chatterbox.models.s3gen import S3Gen

    return S3Gen(meanflow=meanflow).eval()


def build_t3(multilingual: bool = False) -> torch.nn.Module:
    """Upstream's `T3` (models/t3/t3.py) in eval mode, randomly initialised: 704 or 2454 text tokens."""
    from chatterbox.models.t3 import T3
    from chatterbox.models.t3.modules.t3_config import T3Config

    return T3(T3Config.multilingual() if multilingual else T3Config.english_only()).eval()


def build_voice_encoder() -> torch.nn.Module:
    """Upstream's `VoiceEncoder` (models/voice_encoder/) in eval mode, randomly initialised."""
    from chatterbox.models.voice_encoder import VoiceEncoder

    return VoiceEncoder().eval()


def build_perth(whole: bool = False) -> Any:
    """Perth's `PerthNet` in eval mode, randomly initialised; `whole`: the watermarker, with the weights that it ships.

    The package asks pkg_resources where its files are, which newer setuptools have not got: a stand-in answers.
    """
    stand_in = ModuleType("pkg_resources")
    stand_in.resource_filename = lambda name, path: str(Path(sys.modules[name].__file__).parent / path)
    sys.modules.setdefault("pkg_resources", stand_in)
    from perth.perth_net.perth_net_implicit.config import default_hp
    from perth.perth_net.perth_net_implicit.model.perth_net import PerthNet
    from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

    return PerthImplicitWatermarker() if whole else PerthNet(default_hp).eval()


class _Overlay(ModuleType):
    """A module with some names replaced; every other name is looked up in the module itself."""

    def __init__(self, module: ModuleType, names: dict[str, Any]) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(names, _module=module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def double_precision() -> Iterator[None]:
    """Upstream's modules compute in float64 inside; everything is put back on leaving.

    Build the model inside as well as running it: position tables, rotary frequencies, windows and mel filters
    are made when a module is constructed. `load_state_dict` still copies the values of a float32 checkpoint,
    among them the S3 tokenizer's `_mel_filters` and `window` where the checkpoint has them.

    PyTorch is widened by the engine's own `widened`, which makes every twin in double. What upstream computes
    outside PyTorch is widened here: the names `np.float32` and `np.complex64` in upstream's modules, and
    `librosa.filters.mel` everywhere.
    """
    import librosa
    from chatterbox.models.s3gen import s3gen
    from chatterbox.models.s3gen.utils import mel
    from chatterbox.models.voice_encoder import melspec
    from torchaudio.compliance import kaldi

    with ExitStack() as stack:
        stack.enter_context(widened())
        for name, module in list(sys.modules.items()):
            if name.startswith(WIDENED) and vars(module).get("np") is np:
                stack.enter_context(mock.patch.object(module, "np", _Overlay(np, NUMPY_WIDE)))

        # The floor of Kaldi's energies is the float32 epsilon, 2^-23: the same value, held in double.
        stack.enter_context(mock.patch.object(kaldi, "EPSILON", kaldi.EPSILON.double()))

        wide_filters = functools.partial(librosa.filters.mel, dtype=np.float64)
        stack.enter_context(mock.patch.object(librosa.filters, "mel", wide_filters))
        stack.enter_context(mock.patch.object(mel, "librosa_mel_fn", wide_filters))

        # Tables kept between calls: none made in one precision may be met in the other.
        stack.enter_context(mock.patch.dict(mel.mel_basis, clear=True))
        stack.enter_context(mock.patch.dict(mel.hann_window, clear=True))
        for cached in (melspec.mel_basis, s3gen.get_resampler):
            cached.cache_clear()
            stack.callback(cached.cache_clear)
        yield


@contextmanager
def inject_noise(array: np.ndarray) -> Iterator[None]:
    """The flow starts from `array`, shape (B, 80, M), instead of from `torch.randn_like(mu)`.

    M counts the frames of the prompt too. Every run inside gets its own copy, in the dtype of `mu`. Follows
    models/s3gen/flow_matching.py, CausalConditionalCFM.forward.

    Raises:
        ValueError: `mu` has another shape than `array`.
        RuntimeError: nothing inside drew the noise, so the injection had no effect.
    """
    from chatterbox.models.s3gen import flow_matching

    draws = 0

    def randn_like(mu: torch.Tensor) -> torch.Tensor:
        nonlocal draws
        if tuple(mu.shape) != array.shape:
            raise ValueError(
                f"The injected noise has shape {array.shape}, but the flow draws noise of shape "
                f"{tuple(mu.shape)}. Give (B, 80, M) with M = 2 * (prompt tokens + tokens)."
            )
        draws += 1
        return torch.tensor(array, dtype=mu.dtype, device=mu.device)

    with mock.patch.object(flow_matching, "torch", _Overlay(flow_matching.torch, {"randn_like": randn_like})):
        yield
    if draws == 0:
        raise RuntimeError(
            "The flow drew no noise inside inject_noise, so the given array had no effect. "
            "Run flow.inference inside the context, once or more."
        )
