"""mlx-audio's codecs of audio: EnCodec and DAC. Neither package converts weights: the names are translated here."""

from __future__ import annotations

import importlib
import re
from typing import Any, ClassVar

import numpy as np

from ports.corrected import corrected
from ports.encoders.encoder import Encoder, Inputs, arrays, filled, integers, normal

ENCODEC = "mlx_audio.codec.models.encodec.encodec"


class Encodec(Encoder):
    """Waves -> frames, and codes -> waves: convolutions with weight norms, two LSTMs, transposed convolutions."""

    name = "mlx-audio/encodec"
    layers = 1
    """Residual layers at each rate, of which every further one is dilated."""

    @classmethod
    def model(cls) -> Any:
        from transformers import EncodecConfig, EncodecModel

        config = EncodecConfig(
            target_bandwidths=[2.0, 6.0],
            sampling_rate=1600,
            num_filters=4,
            num_residual_layers=cls.layers,
            upsampling_ratios=[4, 2],
            codebook_size=1024,
            codebook_dim=16,
            hidden_size=16,
        )
        return filled(EncodecModel(config))

    @staticmethod
    def call(model: Any, *, wave: Any, codes: Any) -> Any:
        return model.encoder(wave), model.decoder(model.quantizer.decode(codes.transpose(0, 1)))

    @classmethod
    def candidate(cls) -> Any:
        return cls.loaded(importlib.import_module(ENCODEC))

    @classmethod
    def loaded(cls, module: Any) -> Any:
        """The port of this module with the reference's weights: frames of waves, and waves of codes."""
        import mlx.core as mx

        model, settings = cls.model(), module.EncodecConfig
        port = module.Encodec(settings(**module.filter_dataclass_fields(model.config.to_dict(), settings)))
        named = {name: mx.array(value) for name, value in encodec_weights(arrays(model)).items()}
        port.load_weights(list(named.items()), strict=True)
        port.eval()
        return lambda wave, codes: (port.encoder(wave), port.decoder(port.quantizer.decode(codes)))

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"wave": normal(2, 1, samples), "codes": integers(0, 1024, 2, 3, 10)} for samples in (83, 86)]


class DilatedEncodec(Encodec):
    """Two residual layers at each rate, the second of them dilated."""

    name = "mlx-audio/encodec, dilated"
    layers = 2
    options: ClassVar = {"axes": ["wave: b c t -> b t c", "codes: b q t -> b q t"]}
    refused = "cannot be broadcast"
    reason = "the port pads a dilated convolution as if it were none, so nothing can be added to what it gives"
    correction = "`padding_total = kernel_size - stride` of a convolution read as `self.kernel_size - stride`"

    @classmethod
    def mended(cls) -> Any:
        end = "\n\n    def _get_extra_padding"
        lines = {f"total = kernel_size - stride{end}": f"total = self.kernel_size - stride{end}"}
        return cls.loaded(corrected(ENCODEC, lines))


def encodec_weights(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weight norms folded, channels last, and the biases of each LSTM added."""
    named = {}
    for name, value in stored.items():
        if name.endswith("original1"):
            gain, path = stored[f"{name[:-1]}0"], name.removesuffix(".parametrizations.weight.original1")
            wide = value.astype(np.float64)
            folded = (wide * gain / np.sqrt((wide**2).sum((1, 2), keepdims=True))).astype(np.float32)
            named[f"{path}.weight"] = folded.transpose((1, 2, 0) if path in TRANSPOSED else (0, 2, 1))
        elif found := re.fullmatch(r"(.*\.lstm)\.(\w+)_l(\d)", name):
            path, kind, layer = found.groups()
            if kind == "bias_ih":
                value = value + stored[f"{path}.bias_hh_l{layer}"]
            if kind in LSTM:
                named[f"{path}.{layer}.{LSTM[kind]}"] = value
        elif not name.endswith("original0") and ("codebook" not in name or name.endswith(".embed")):
            named[name] = value
    return named


TRANSPOSED = ("decoder.layers.3.conv", "decoder.layers.6.conv", "decoder.layers.7.conv")
"""The transposed convolutions, with one residual layer at each rate and with two."""
LSTM = {"weight_ih": "Wx", "weight_hh": "Wh", "bias_ih": "bias"}


class Dac(Encoder):
    """Waves -> what their codes stand for, codes by the nearest neighbour, latents, mean losses; frames -> waves."""

    name = "mlx-audio/dac"

    @classmethod
    def model(cls) -> Any:
        from transformers import DacConfig, DacModel

        config = DacConfig(
            encoder_hidden_size=4,
            downsampling_ratios=[2, 4],
            decoder_hidden_size=16,
            n_codebooks=3,
            codebook_size=32,
            codebook_dim=8,
            sampling_rate=1600,
        )
        model = DacModel(config)
        model.apply_weight_norm()
        return filled(model)

    @staticmethod
    def call(model: Any, *, wave: Any, frames: Any) -> Any:
        *made, commitment, codebook = model.quantizer(model.encoder(wave))
        return *made, commitment.mean(), codebook.mean(), model.decoder(frames)

    @classmethod
    def candidate(cls) -> Any:
        import mlx.core as mx
        from mlx_audio.codec.models.descript.dac import DAC

        port = DAC(
            encoder_dim=4,
            encoder_rates=[2, 4],
            decoder_dim=16,
            decoder_rates=[4, 2],
            n_codebooks=3,
            codebook_size=32,
            codebook_dim=8,
        )
        named = {name: mx.array(value) for name, value in dac_weights(arrays(cls.model())).items()}
        port.load_weights(list(named.items()), strict=True)
        port.eval()

        return lambda wave, frames: (*port.encode(wave), port.decode(frames))

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"wave": normal(2, 1, samples), "frames": normal(2, 16, samples // 8)} for samples in (64, 80)]


RESIDUAL = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}


def dac_weights(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Named by their places, as the original's are; channels last."""
    named = {}
    for name, value in stored.items():
        path, _, leaf = _dac_name(re.sub(r"parametrizations\.weight\.original(\d)", _part, name)).rpartition(".")
        transposed = (1, 2, 0) if ".conv_t1." in name else (0, 2, 1)
        named[f"{path}.{leaf}"] = value.transpose(transposed) if value.ndim == 3 else value
    return named


def _part(found: re.Match[str]) -> str:
    return ("weight_g", "weight_v")[int(found[1])]


def _dac_name(name: str) -> str:
    found = re.fullmatch(r"(encoder|decoder)\.(?:block\.(\d)\.)?(?:res_unit(\d)\.)?(\w+)\.(\w+)", name)
    if found is None:
        return name
    side, block, unit, module, leaf = found.groups()
    path = f"{side}.{'block' if side == 'encoder' else 'model'}.layers"
    if block is None:
        place = {"conv1": 0, "snake1": 3, "conv2": 4}[module]
        return f"{path}.{place}.{leaf}"
    path = f"{path}.{int(block) + 1}.block.layers"
    if unit is None:
        place = {"encoder": {"snake1": 3, "conv1": 4}, "decoder": {"snake1": 0, "conv_t1": 1}}[side][module]
        return f"{path}.{place}.{leaf}"
    place = int(unit) - 1 if side == "encoder" else int(unit) + 1
    return f"{path}.{place}.block.layers.{RESIDUAL[module]}.{leaf}"


PAIRS = (Encodec, DilatedEncodec, Dac)
