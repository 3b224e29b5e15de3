"""T3's layers by every naming, English, multilingual and Turbo's alike: what Turbo has not got, its file has not."""

from __future__ import annotations

from collections.abc import Iterator

from mlx_impl.weights.stored.mapping.rule import Rule, rule, under

SPELT_OUT = "upstream's abbreviation, spelt out"


def block() -> Iterator[Rule]:
    for letter in "qkvo":
        yield rule("linear", f"self_attn.{letter}_proj", swift=f"selfAttn.{letter}Proj")
    for part in ("gate", "up", "down"):
        yield rule("linear", f"mlp.{part}_proj", swift=f"mlp.{part}Proj")
    yield rule("norm", "input_layernorm", swift="inputLayernorm")
    yield rule("norm", "post_attention_layernorm", swift="postAttentionLayernorm")


def backbone() -> Iterator[Rule]:
    yield from under(("layers.{i}.",) * 4, block(), SPELT_OUT)
    yield rule("norm", "norm")


def gpt2() -> Iterator[Rule]:
    """Turbo's backbone. The other ports of this table have no Turbo."""
    for layer in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"):
        yield rule("linear of GPT-2", f"h.{{i}}.{layer}", swift=None, community=None)
    for norm in ("h.{i}.ln_1", "h.{i}.ln_2", "ln_f"):
        yield rule("norm", norm, swift=None, community=None)
    yield rule("embedding", "wpe", swift=None, community=None)
    yield rule("embedding", "wte", swift=None, community=None, why="stored and never read")


def conditioning() -> Iterator[Rule]:
    yield rule("linear", "spkr_enc", "speaker_proj", "speakerProj")
    yield rule("linear", "emotion_adv_fc", "emotion_proj", "emotionAdvFC")
    yield rule("tensor", "perceiver.pre_attention_query", "perceiver.queries")
    yield rule("norm", "perceiver.attn.norm")
    for layer in ("to_q", "to_k", "to_v", "proj_out"):
        yield rule("linear", f"perceiver.attn.{layer}")


def t3() -> Iterator[Rule]:
    # The community's backbone is a Llama of mlx-lm, which has one more level.
    yield from under(("tfmr.", "backbone.", "", "tfmr.model."), backbone(), SPELT_OUT)
    yield from under(("tfmr.", "backbone.", None, None), gpt2(), SPELT_OUT)
    unread = ("tfmr.embed_tokens", "backbone.embed_tokens", "tfmr.embed_tokens", "tfmr.model.embed_tokens")
    yield rule("embedding", *unread, why="stored and never read: the Swift port passes over it")
    yield from under(("cond_enc.", "conditioning.", "", "cond_enc."), conditioning(), SPELT_OUT)
    for what in ("text", "speech"):
        yield rule("embedding", f"{what}_emb", f"{what}_embedding", f"{what}Emb")
        yield rule("embedding", f"{what}_pos_emb.emb", f"{what}_positions", f"{what}PosEmb.embedding")
        yield rule("linear", f"{what}_head", swift=f"{what}Head")


RULES = tuple(under(("", "t3.", "", "t3."), t3(), SPELT_OUT, "t3"))
