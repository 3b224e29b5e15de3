"""Both sides' loaders, and what they are given."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spec import synthetic
from spec.config import CHATTERBOX_SIZES, TINY, DecoderConfig, EncoderConfig, FlowConfig


@pytest.fixture(params=["reference", "mlx_impl"])
def weights(request):
    """The `weights` module of a side."""
    return importlib.import_module(f"{request.param}.weights")


@pytest.fixture(scope="session")
def tensors(tiny_checkpoint: Path) -> dict[str, torch.Tensor]:
    """What the tiny checkpoint holds for the flow."""
    stored = load_file(tiny_checkpoint / "s3gen.safetensors")
    return {key: tensor for key, tensor in stored.items() if key.startswith("flow.")}


@pytest.fixture(scope="session")
def square_config() -> FlowConfig:
    """Layers as wide as their kernels, so that their shapes fit every layout."""
    return replace(
        TINY,
        encoder=EncoderConfig(width=4, heads=2, linear_units=4, blocks=1, up_blocks=1),  # conv1 sees 4 tokens
        decoder=DecoderConfig(width=3, heads=1, head_width=3, transformer_blocks=1, mid_blocks=1),  # kernels of 3
    )


@pytest.fixture(scope="session")
def square(tmp_path_factory, square_config) -> Path:
    """A checkpoint directory of that configuration."""
    folder = tmp_path_factory.mktemp("square")
    synthetic.write(folder, replace(CHATTERBOX_SIZES["tiny"], flow=square_config), files=["s3gen"])
    return folder
