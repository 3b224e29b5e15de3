"""The multilingual model as the pipeline runs it: the same tokens on both sides, and a language where one is due."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from spec import synthetic
from spec.config import CHATTERBOX_SIZES, SamplingConfig, multilingual
from spec.draws import Draws
from spec.keys import FILES

SIDES = ["reference", "mlx_impl"]
CONFIG = multilingual(CHATTERBOX_SIZES["tiny"])
SAMPLING = SamplingConfig(repetition_penalty=2.0, max_tokens=25)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    synthetic.write(folder, CHATTERBOX_SIZES["tiny"], FILES)
    return folder


@pytest.fixture(scope="module")
def conditions():
    """Of no voice in particular: what T3 reads of them."""
    config, draw = CONFIG.t3, np.random.Generator(np.random.Philox(key=5))
    voice = draw.standard_normal((1, config.speaker_width), dtype=np.float32)
    return {
        "speaker_emb": voice / np.linalg.norm(voice),
        "cond_prompt_speech_tokens": draw.integers(0, config.start_speech, (1, config.prompt_tokens)),
        "emotion_adv": np.full((1, 1, 1), 0.5, np.float32),
    }


@pytest.fixture(scope="module")
def sides(checkpoint):
    return {side: importlib.import_module(f"{side}.speech").Chatterbox(checkpoint, CONFIG) for side in SIDES}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "Ça va bien, merci"),
        ("ko", "안녕하세요"),
        ("ja", "東京へ行く。"),
        ("ar", "مرحبا بالعالم"),
        ("EN", "the other one"),
    ],
)
def test_both_sides_make_the_same_tokens(sides, conditions, language, text):
    theirs, ours = (sides[name].tokens(text, conditions, SAMPLING, Draws(3), language) for name in SIDES)
    assert ours == theirs
    assert 3 < len(ours) <= SAMPLING.max_tokens
    assert ours != sides["mlx_impl"].tokens(text, conditions, SAMPLING, Draws(3), "sw")


def test_east_asian_ending_is_kept(sides, conditions):
    """The rules of punctuation are those of the multilingual model: no full stop after an ideographic one."""
    side = sides["mlx_impl"]
    tokens = [side.tokens(text, conditions, SAMPLING, Draws(3), "ko") for text in ("가나다라마바。", "가나다라마바。.")]
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize("name", SIDES)
def test_language_is_required_here_and_refused_by_the_english_model(sides, conditions, checkpoint, name):
    for language in (None, "xx"):
        with pytest.raises(ValueError, match=f"language is {language!r}, expected one of ar, "):
            sides[name].tokens("a", conditions, SAMPLING, Draws(3), language)
    english = importlib.import_module(f"{name}.speech").Chatterbox(checkpoint, CHATTERBOX_SIZES["tiny"])
    with pytest.raises(ValueError, match="language is 'fr', expected none"):
        english.tokens("a", conditions, SAMPLING, Draws(3), "fr")
    assert english.tokens("a", conditions, replace(SAMPLING, max_tokens=2), Draws(3))


@pytest.mark.parametrize("name", SIDES)
def test_too_long_a_text_is_refused(sides, conditions, name):
    with pytest.raises(ValueError, match="expected at most 2048; split it"):
        sides[name].tokens("x" * 3000, conditions, SAMPLING, Draws(3), "fr")


@pytest.mark.parametrize("side", ["reference", "mlx_impl"])
def test_defaults_of_the_multilingual_model_differ_in_the_penalty(side):
    defaults = importlib.import_module(f"{side}.defaults")
    english = CHATTERBOX_SIZES["tiny"]
    assert defaults.sampling(english.t3) == SamplingConfig()
    assert defaults.sampling(multilingual(english).t3) == SamplingConfig(repetition_penalty=2.0)
    assert defaults.sampling(multilingual(english, "t3_mtl23ls_v3.safetensors").t3) == SamplingConfig()
    assert defaults.values(english.t3).tolist() == [0.5, 0.5, 1.2, 0.8, 0.05, 1.0, 1000, 10]
