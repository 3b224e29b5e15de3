"""mlx-vlm's encoders of text: BERT, XLM-RoBERTa, ModernBERT and SigLIP's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ports.encoders.encoder import Encoder, Inputs, arrays, filled, integers, load
from ports.pair import Departure

WORDS = 60
SIZES = {"vocab_size": WORDS, "hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40}
SPECIAL = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3}


def batch(length: int) -> Inputs:
    """Tokens of two texts, the second of which is three tokens shorter."""
    mask = np.ones((2, length), np.int64)
    mask[1, length - 3 :] = 0
    return {"tokens": np.where(mask, integers(4, WORDS, 2, length), SPECIAL["pad_token_id"]), "mask": mask}


class TextEncoder(Encoder):
    """Tokens and the mask of padding -> states."""

    packages = ("mlx-vlm", "transformers")
    module: str

    @staticmethod
    def call(model: Any, *, tokens: Any, mask: Any) -> Any:
        return model(tokens, attention_mask=mask).last_hidden_state

    @classmethod
    def port(cls) -> Any:
        model, package = cls.model(), import_module(f"mlx_vlm.models.{cls.module}")
        return load(package.Model(package.ModelConfig.from_dict(model.config.to_dict())), arrays(model))

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda tokens, mask: port(tokens, mask).last_hidden_state

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [batch(11), batch(17)]


class Bert(TextEncoder):
    """With kinds of tokens, too."""

    name, module = "mlx-vlm/bert", "bert"

    @classmethod
    def model(cls) -> Any:
        from transformers import BertConfig, BertModel

        config = BertConfig(**SIZES, num_hidden_layers=2, max_position_embeddings=32)
        return filled(BertModel(config, add_pooling_layer=False))

    @staticmethod
    def call(model: Any, *, tokens: Any, mask: Any, kinds: Any) -> Any:
        return model(tokens, attention_mask=mask, token_type_ids=kinds).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda tokens, mask, kinds: port(tokens, mask, kinds).last_hidden_state

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{**one, "kinds": integers(0, 2, *one["tokens"].shape)} for one in super().inputs()]


class XlmRoberta(TextEncoder):
    """Its positions count tokens that are no padding, from behind the padding's number."""

    name, module = "mlx-vlm/xlm-roberta", "xlm_roberta"

    @classmethod
    def model(cls) -> Any:
        from transformers import XLMRobertaConfig, XLMRobertaModel

        config = XLMRobertaConfig(
            **SIZES, **SPECIAL, num_hidden_layers=2, max_position_embeddings=32, type_vocab_size=1
        )
        return filled(XLMRobertaModel(config, add_pooling_layer=False))


class ModernBert(TextEncoder):
    """Two layers in three see a window of three tokens on each side.

    The port asks `nn.GELU` for "precise", which is MLX's name of the approximation by tanh.
    """

    name, module = "mlx-vlm/modernbert", "modernbert"
    departures = (
        Departure(
            "GELU is approximated by tanh, where the configuration asks for the exact one.",
            "gelu(x, approximate=none)",
            "tanh(",
        ),
    )
    correction = '`nn.GELU()` in the place of `nn.GELU(approx="precise")`'

    @classmethod
    def model(cls) -> Any:
        from transformers import ModernBertConfig, ModernBertModel

        ends = {"cls_token_id": 2, "sep_token_id": 3}
        windows = {"local_attention": 6, "global_attn_every_n_layers": 3}
        config = ModernBertConfig(
            **SIZES, **SPECIAL, **ends, **windows, num_hidden_layers=4, max_position_embeddings=64
        )
        return filled(ModernBertModel(config))

    @classmethod
    def mended(cls) -> Any:
        import mlx.nn as nn

        port = cls.port()
        for layer in port.layers:
            layer.mlp.act = nn.GELU()
        return lambda tokens, mask: port(tokens, mask).last_hidden_state


class SiglipText(TextEncoder):
    """Tokens, as many as there are positions -> the projection of the last state."""

    name = "mlx-vlm/siglip text"

    @classmethod
    def model(cls) -> Any:
        from transformers import SiglipTextConfig, SiglipTextModel

        return filled(SiglipTextModel(SiglipTextConfig(**SIZES, **SPECIAL, num_hidden_layers=2)))

    @staticmethod
    def call(model: Any, *, tokens: Any) -> Any:
        return model(tokens).pooler_output

    @classmethod
    def candidate(cls) -> Any:
        from mlx_vlm.models.siglip import Model, ModelConfig, TextConfig

        model = cls.model()
        config = TextConfig.from_dict(model.config.to_dict())
        weights = {f"text_model.{name}": value for name, value in arrays(model).items()}
        return load(Model(ModelConfig(text_config=config, vision_config=None)), weights).text_model

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"tokens": integers(4, WORDS, texts, 64)} for texts in (2, 3)]


PAIRS = (Bert, XlmRoberta, ModernBert, SiglipText)
