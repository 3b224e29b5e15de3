"""The published names, shapes and dtypes, at both sizes."""

import hashlib
import re
from dataclasses import replace

import pytest

from spec.config import CHATTERBOX_SIZES, ChatterboxConfig
from spec.keys import FILES

FULL, TINY = CHATTERBOX_SIZES["full"], CHATTERBOX_SIZES["tiny"]

COUNTS = {
    "s3gen": {"tokenizer": 104, "speaker_encoder": 937, "flow": 1121, "mel2wav": 328},
    "ve": {"lstm": 12, "proj": 2, "similarity_weight": 1, "similarity_bias": 1},
    "t3_cfg": {"tfmr": 272, "cond_enc": 14, "text_emb": 1, "speech_emb": 1, "text_pos_emb": 1, "speech_pos_emb": 1,
               "text_head": 1, "speech_head": 1},
}  # fmt: skip
COUNTS["t3_mtl23ls_v2"] = COUNTS["t3_cfg"]

# Of upstream's own models at full size, chatterbox-tts 0.1.7: SHA-256 over the sorted lines "name shape dtype" of
# `state_dict()`, joined by newlines, the shape's numbers joined by "x" and the dtype without "torch.". Made with
# `build_s3gen`, `build_voice_encoder` and `build_t3` of tests/upstream/upstream_loader.py.
UPSTREAM = {
    "s3gen": "ff4ae424b6e1b84eed6306a812540d3b3a501b2282335992259e7e2bead2c01a",
    "ve": "4098d68347eaafebe0493c5480b8d1922894238f34cc2923b0e8b433ff7829a2",
    "t3_cfg": "5b136084c4c0843930cbe081624329e693b200478bdd0aab33adfc786fa5cc42",
    "t3_mtl23ls_v2": "efb120401ef6782404d8c66c80149b2a8e87a5f6778c25a744f2eb7f7af33775",
}


def digest(keys):
    lines = sorted(f"{key.name} {'x'.join(map(str, key.shape))} {key.dtype}" for key in keys)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def patterns(keys):
    return {(re.sub(r"\d+", "#", key.name), len(key.shape), key.dtype) for key in keys}


@pytest.mark.parametrize("file", FILES)
def test_full_size_counts(file):
    counts = {}
    for key in FILES[file](FULL):
        part = key.name.split(".")[0]
        counts[part] = counts.get(part, 0) + 1
    assert counts == COUNTS[file]
    assert sum(counts.values()) == {"s3gen": 2490, "ve": 16, "t3_cfg": 292, "t3_mtl23ls_v2": 292}[file]


@pytest.mark.parametrize("file", FILES)
def test_full_size_is_upstreams_exactly(file):
    assert digest(FILES[file](FULL)) == UPSTREAM[file]


@pytest.mark.parametrize(
    "wrong", [{"width": 1279}, {"memory_kernel": 30}, {"digits": 7}, {"blocks": 5}], ids=lambda wrong: next(iter(wrong))
)
def test_digest_sees_one_wrong_dimension(wrong):
    flow = replace(FULL.flow, encoder=replace(FULL.flow.encoder, vocab_size=3 ** wrong.get("digits", 8)))
    config = replace(FULL, flow=flow, tokenizer=replace(FULL.tokenizer, **wrong))
    assert digest(FILES["s3gen"](config)) != UPSTREAM["s3gen"]


@pytest.mark.parametrize("file", FILES)
def test_tiny_has_the_patterns_of_full(file):
    assert patterns(FILES[file](TINY)) == patterns(FILES[file](FULL))


def test_patterns_see_a_missing_branch():
    without_shortcut = [key for key in FILES["s3gen"](TINY) if "shortcut" not in key.name]
    assert patterns(without_shortcut) != patterns(FILES["s3gen"](FULL))


def test_stages_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="speaker width of voice encoder and T3: got 256 and 32"):
        ChatterboxConfig(t3=TINY.t3)
