"""The vocoder's layers by every naming. Upstream lists the parts of all levels side by side, this side by level."""

from __future__ import annotations

from collections.abc import Iterator

from mlx_impl.weights.stored.mapping.rule import Rule, rule, under

LEVELS = "a part of a level, listed by level"


def resblock(upstream: str, mlx: str, swift: str, unit: str) -> Iterator[Rule]:
    """Units of a dilated and a plain convolution, each behind a Snake; `unit` is the letter that counts them."""
    for half in "12":
        place = f"{{{unit}}}"
        conv, activation = f"convs{half}.{place}", f"activations{half}.{place}"
        yield rule("normed conv1d", f"{upstream}.{conv}", f"{mlx}.units.{place}.conv{half}", f"{swift}.{conv}")
        yield rule(
            "snake", f"{upstream}.{activation}", f"{mlx}.units.{place}.activation{half}", f"{swift}.acts{half}.{place}"
        )


def vocoder() -> Iterator[Rule]:
    yield rule("linear", "m_source.l_linear", "source.linear", "mSource.linear")
    yield rule("normed conv1d", "conv_pre", "generator.conv_pre", "convPre")
    yield rule("normed conv1d", "conv_post", "generator.conv_post", "convPost")
    yield rule("normed conv_transpose1d", "ups.{i}", "generator.levels.{i}.up")
    yield rule("conv1d", "source_downs.{i}", "generator.levels.{i}.source_down", "sourceDowns.{i}")
    source = "generator.levels.{i}.source_resblock"
    yield from resblock("source_resblocks.{i}", source, "sourceResBlocks.{i}", "j")
    whole = "resblocks.{3i+j}"  # three to a level
    yield from resblock(whole, "generator.levels.{i}.resblocks.{j}", whole, "k")
    # Every other place in upstream's Sequential is an ELU.
    condnet = "f0_predictor.condnet.{i}"
    yield rule("normed conv1d", "f0_predictor.condnet.{2i}", "f0_predictor.convs.{i}", "f0Predictor.convs.{i}", condnet)
    yield rule("linear", "f0_predictor.classifier", swift="f0Predictor.classifier")


RULES = tuple(under(("mel2wav.", "vocoder.", "vocoder.", "s3gen.mel2wav."), vocoder(), LEVELS, "vocoder"))
