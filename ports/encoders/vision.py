"""mlx-vlm's encoders of images: CLIP, SigLIP, Pixtral, DINOv2, Idefics 3, and those of Qwen2-VL and Qwen2.5-VL."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from ports.encoders.encoder import Encoder, Inputs, arrays, filled, load, normal
from ports.pair import Departure

SIZES = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "patch_size": 4}


class ImageEncoder(Encoder):
    """Pixels -> states of the patches."""

    packages = ("mlx-vlm", "transformers")
    module: str
    kind: str

    @staticmethod
    def call(model: Any, *, pixels: Any) -> Any:
        return model(pixels).last_hidden_state

    @classmethod
    def port(cls) -> Any:
        """The port's `VisionModel`, which most of its models hold as `vision_tower.vision_model`."""
        model, package = cls.model(), import_module(f"mlx_vlm.models.{cls.module}.vision")
        port = package.VisionModel(package.VisionConfig.from_dict({**model.config.to_dict(), "model_type": cls.kind}))
        prefix = "vision_model." if hasattr(port, "vision_model") else ""
        return load(port, {prefix + name.removeprefix(prefix): value for name, value in arrays(model).items()})

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda pixels: port(pixels)[0]


class Clip(ImageEncoder):
    """Of LLaVA: states and the normed state of the class token."""

    name, module, kind = "mlx-vlm/clip", "llava", "clip_vision_model"

    @classmethod
    def model(cls) -> Any:
        from transformers import CLIPVisionConfig, CLIPVisionModel

        return filled(CLIPVisionModel(CLIPVisionConfig(**SIZES, image_size=20)))

    @staticmethod
    def call(model: Any, *, pixels: Any) -> Any:
        made = model(pixels)
        return made.last_hidden_state, made.pooler_output

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda pixels: (port(pixels)[1], port(pixels)[0])

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"pixels": normal(images, 3, 20, 20)} for images in (2, 3)]


class Siglip(ImageEncoder):
    """Of PaliGemma, whose last norm sees the first image alone: the states before that norm."""

    name, module, kind = "mlx-vlm/siglip", "gemma3", "siglip_vision_model"

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return Clip.inputs()

    @classmethod
    def model(cls) -> Any:
        from transformers import SiglipVisionConfig, SiglipVisionModel

        return filled(SiglipVisionModel(SiglipVisionConfig(**SIZES, image_size=20, vision_use_head=False)))

    @staticmethod
    def call(model: Any, *, pixels: Any) -> Any:
        return model(pixels, output_hidden_states=True).hidden_states[-1]

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda pixels: port(pixels, output_hidden_states=True)[-1][-1]


class SiglipOfLlava(Siglip):
    """LLaVA's port takes CLIP's activation for SigLIP, too."""

    name, module = "mlx-vlm/siglip of llava", "llava"
    departures = (
        Departure("SigLIP's GELU by tanh is CLIP's quick one.", "gelu(x, approximate=tanh)", "sigmoid(x · 1.702)"),
    )
    correction = "the activation of SigLIP's configuration in each layer"

    @classmethod
    def mended(cls) -> Any:
        import mlx.nn as nn

        port = cls.port()
        for layer in port.vision_model.encoder.layers:
            layer.mlp.activation_fn = nn.GELU(approx="tanh")
        return lambda pixels: port(pixels, output_hidden_states=True)[-1][-1]


class Pixtral(ImageEncoder):
    """Two images of one size, each of which sees itself alone; rotary positions in two axes."""

    name, module, kind = "mlx-vlm/pixtral", "pixtral", "pixtral"
    activation = "silu"
    """What the published model has; transformers' default is another."""

    @classmethod
    def model(cls) -> Any:
        from transformers import PixtralVisionConfig, PixtralVisionModel

        config = PixtralVisionConfig(**SIZES, head_dim=8, image_size=24, hidden_act=cls.activation)
        return filled(PixtralVisionModel(config))

    @staticmethod
    def call(model: Any, *, pixels: Any) -> Any:
        return model(pixels, image_sizes=[tuple(pixels.shape[2:])] * len(pixels)).last_hidden_state

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"pixels": normal(2, 3, height, width)} for height, width in ((16, 24), (20, 12))]


class PixtralOfTwoSizes(Pixtral):
    """The second image is smaller than the first."""

    name = "mlx-vlm/pixtral, two sizes"
    shapes = ((16, 24), (12, 20))

    @staticmethod
    def call(model: Any, *, pixels: Any) -> Any:
        return model(pixels, image_sizes=list(PixtralOfTwoSizes.shapes)).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda pixels: port(pixels, image_sizes=list(cls.shapes))[0]

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"pixels": normal(2, 3, 16, 24)}]


class PixtralWithGelu(Pixtral):
    """The port has SiLU whatever the configuration says."""

    name = "mlx-vlm/pixtral, default activation"
    activation = "gelu"
    departures = (
        Departure("SiLU, where the configuration asks for GELU.", "gelu(x, approximate=none)", "x · sigmoid(x)"),
    )
    correction = "the configuration's activation in each layer"

    @classmethod
    def mended(cls) -> Any:
        import mlx.nn as nn

        port = cls.port()
        for layer in port.vision_model.transformer.layers:
            layer.feed_forward = _Gated(layer.feed_forward, nn.gelu)
        return lambda pixels: port(pixels)[0]


class _Gated:
    """A gated layer of the port with another activation."""

    def __init__(self, layer: Any, activation: Any):
        self.layer, self.activation = layer, activation

    def __call__(self, x: Any) -> Any:
        return self.layer.down_proj(self.activation(self.layer.gate_proj(x)) * self.layer.up_proj(x))


class Dinov2(ImageEncoder):
    """Images of the trained size, which is square: their positions are the trained ones."""

    name = "mlx-vlm/dinov2"
    settings: ClassVar[dict[str, Any]] = {}
    sizes: ClassVar = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "mlp_ratio": 2,
        "patch_size": 4,
    }

    @classmethod
    def model(cls) -> Any:
        from transformers import Dinov2Config, Dinov2Model

        return filled(Dinov2Model(Dinov2Config(**cls.sizes, image_size=20, **cls.settings)))

    @classmethod
    def candidate(cls, **options: Any) -> Any:
        from mlx_vlm.models.dinov2 import Model, ModelConfig

        model = cls.model()
        port = load(Model(ModelConfig.from_dict({**model.config.to_dict(), **options})), arrays(model))
        return lambda pixels: port(pixels)["last_hidden_state"]

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"pixels": normal(images, 3, 20, 20)} for images in (2, 3)]


class InterpolatedDinov2(Dinov2):
    """Images of other shapes, for which positions are interpolated.

    The port keeps its weights of interpolation by size. No two lengths, here and below, have a side in common, so each
    computes its own.
    """

    name = "mlx-vlm/dinov2, interpolated"

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"pixels": normal(2, 3, height, width)} for height, width in ((12, 28), (32, 36))]


class Dinov2Giant(Dinov2):
    """With gated layers."""

    name = "mlx-vlm/dinov2, gated"
    settings: ClassVar = {"use_swiglu_ffn": True}


class Dinov2WithRegisters(Dinov2):
    """Interpolates with antialiasing, which the port leaves out unless the configuration has a key of its own."""

    name = "mlx-vlm/dinov2 with registers"
    departures = (
        Departure("Positions are interpolated without antialiasing.", "upsample_bicubic2d_aa(", "interpolate.py"),
    )
    correction = "`interpolate_antialias` in the configuration, which published ones do not have"

    @classmethod
    def model(cls) -> Any:
        from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

        return filled(
            Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**cls.sizes, image_size=20, num_register_tokens=3))
        )

    @classmethod
    def mended(cls) -> Any:
        return cls.candidate(interpolate_antialias=True)

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"pixels": normal(2, 3, height, width)} for height, width in ((8, 24), (44, 16))]


EPSILON = Departure("The last norm has MLX's epsilon, not the configuration's.", "eps=1e-06", "eps=1e-05")


class WholeIdefics3(ImageEncoder):
    """Images without padding, and the mask of their patches.

    Four patches to a side: in a grid of other than 2ⁿ a patch lies on the edge of two positions, by its rounding.
    """

    name, module, kind = "mlx-vlm/idefics3", "idefics3", "idefics3"
    options: ClassVar = {"axes": ["mask: b h w -> b h w"]}
    departures = (EPSILON,)
    correction = "the configuration's epsilon in `post_layernorm`"
    sizes = ((4, 4), (2, 4))
    """Of the second image, in patches, for each set of inputs."""

    @classmethod
    def model(cls) -> Any:
        from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
        from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionTransformer

        return filled(Idefics3VisionTransformer(Idefics3VisionConfig(**SIZES, image_size=16)))

    @staticmethod
    def call(model: Any, *, pixels: Any, mask: Any) -> Any:
        return model(pixels, patch_attention_mask=mask).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        port = cls.port()
        return lambda pixels, mask: port(pixels, patch_attention_mask=mask)[0]

    @classmethod
    def mended(cls) -> Any:
        port = cls.port()
        port.post_layernorm.eps = 1e-6
        return lambda pixels, mask: port(pixels, patch_attention_mask=mask)[0]

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [
            {"pixels": normal(2, 3, 4 * height, 4 * width), "mask": np.ones((2, height, width), bool)}
            for height, width in cls.sizes
        ]


class Idefics3(WholeIdefics3):
    """The second image is smaller than the first."""

    name = "mlx-vlm/idefics3, padded"
    departures = (
        EPSILON,
        Departure("Attention sees the padding.", "safe_softmax(", "scaled_dot_product_attention("),
        Departure("Positions of a padded image are those of its first patches.", "bucketize(", "setitem("),
    )
    correction = "the mask in the attention, positions by row and column, and the configuration's epsilon"

    @classmethod
    def mended(cls) -> Any:
        import mlx.core as mx

        port = cls.port()
        port.post_layernorm.eps = 1e-6

        def call(pixels: Any, mask: Any) -> Any:
            side = port.embeddings.num_patches_per_side
            counts = mask[:, :, 0].sum(1)[:, None, None], mask[:, 0, :].sum(1)[:, None, None]
            rows = mx.arange(mask.shape[1])[None, :, None] * side // counts[0]
            columns = mx.arange(mask.shape[2])[None, None, :] * side // counts[1]
            places = mx.where(mask, rows * side + columns, 0).reshape(len(mask), -1)
            patches = mx.flatten(port.embeddings.patch_embedding(pixels), 1, 2)
            seen = mask.reshape(len(mask), 1, 1, -1)
            states, _ = port.encoder(patches + port.embeddings.position_embedding(places), mask=seen)
            return port.post_layernorm(states)

        return call

    @classmethod
    def inputs(cls) -> list[Inputs]:
        mask = np.ones((2, 4, 4), bool)
        mask[1, 3:] = mask[1, :, 2:] = False
        return [{"pixels": normal(2, 3, 16, 16), "mask": mask}]


class Qwen2Vl(ImageEncoder):
    """Patches of an image and of two frames of a video: each frame sees itself alone, four patches become one."""

    name, module, kind = "mlx-vlm/qwen2-vl", "qwen2_vl", "qwen2_vl"
    grid = ((1, 4, 6), (2, 2, 4))

    @classmethod
    def model(cls) -> Any:
        from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
        from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

        config = Qwen2VLVisionConfig(depth=2, embed_dim=24, hidden_size=20, num_heads=3, patch_size=4, mlp_ratio=2)
        return filled(Qwen2VisionTransformerPretrainedModel(config))

    @classmethod
    def reference(cls) -> Any:
        made = super().reference()
        made.call = partial(cls.call, grid=cls.grid)
        return made

    @staticmethod
    def call(model: Any, *, patches: Any, grid: Any) -> Any:
        import torch

        return model(patches, grid_thw=torch.tensor(grid)).pooler_output

    @classmethod
    def candidate(cls) -> Any:
        import mlx.core as mx

        port, grid = cls.port(), mx.array(cls.grid)
        return lambda patches: port(patches, grid)

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"patches": normal(int(np.prod(cls.grid, 1).sum()), 3 * 2 * 4 * 4)}]


class Qwen25Vl(Qwen2Vl):
    """Two layers of three see windows of two by two patches, some of which are cut off at an edge."""

    name, module, kind = "mlx-vlm/qwen2.5-vl", "qwen2_5_vl", "qwen2_5_vl"
    grid = ((1, 4, 6), (2, 6, 10))

    @classmethod
    def model(cls) -> Any:
        from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
        from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

        windows = {"window_size": 16, "fullatt_block_indexes": [1]}
        config = Qwen2_5_VLVisionConfig(
            depth=3, hidden_size=24, intermediate_size=40, out_hidden_size=20, num_heads=3, patch_size=4, **windows
        )
        return filled(Qwen2_5_VisionTransformerPretrainedModel(config))


PAIRS = (
    Clip,
    Siglip,
    SiglipOfLlava,
    Pixtral,
    PixtralOfTwoSizes,
    PixtralWithGelu,
    Dinov2,
    InterpolatedDinov2,
    Dinov2Giant,
    Dinov2WithRegisters,
    WholeIdefics3,
    Idefics3,
    Qwen2Vl,
    Qwen25Vl,
)
