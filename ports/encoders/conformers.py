"""mlx-audio's Conformers: Granite Speech, LASR and Parakeet."""

from __future__ import annotations

from typing import Any, ClassVar

from ports.encoders.encoder import Encoder, Inputs, arrays, filled, load, normal

WIDTH, HEADS, KERNEL = 24, 3, 5


class GraniteSpeech(Encoder):
    """A mel -> states: attention in blocks of eight frames, the last of which is not full; a CTC head in the middle."""

    name = "mlx-audio/granite speech encoder"

    @classmethod
    def model(cls) -> Any:
        from transformers.models.granite_speech.configuration_granite_speech import GraniteSpeechEncoderConfig
        from transformers.models.granite_speech.modeling_granite_speech import GraniteSpeechCTCEncoder

        config = GraniteSpeechEncoderConfig(
            input_dim=10,
            num_layers=4,
            hidden_dim=WIDTH,
            feedforward_mult=2,
            num_heads=HEADS,
            dim_head=8,
            output_dim=14,
            context_size=8,
            max_pos_emb=16,
            conv_kernel_size=KERNEL,
            conv_expansion_factor=2,
        )
        return filled(GraniteSpeechCTCEncoder(config))

    @staticmethod
    def call(model: Any, *, mel: Any) -> Any:
        return model(mel).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        import mlx.core as mx
        from mlx_audio.stt.models.granite_speech.config import EncoderConfig
        from mlx_audio.stt.models.granite_speech.granite_speech import CTCEncoder, Model

        model = cls.model()
        port = CTCEncoder(EncoderConfig.from_dict(model.config.to_dict()))
        named = Model.sanitize({name: mx.array(value) for name, value in arrays(model).items()})
        port.load_weights(list(named.items()), strict=True)
        return port

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"mel": normal(2, frames, 10)} for frames in (21, 27)]


class Lasr(Encoder):
    """A mel -> logits: rotary positions, weighted residuals. Its norms have no biases; the port's are 0."""

    name = "mlx-audio/lasr ctc"

    @classmethod
    def model(cls) -> Any:
        from transformers import LasrCTCConfig, LasrForCTC

        encoder = {
            "hidden_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": HEADS,
            "intermediate_size": 40,
            "conv_kernel_size": KERNEL,
            "num_mel_bins": 10,
            "subsampling_conv_channels": 8,
            "max_position_embeddings": 64,
        }
        return filled(LasrForCTC(LasrCTCConfig(vocab_size=30, encoder_config=encoder, pad_token_id=0)))

    @staticmethod
    def call(model: Any, *, mel: Any) -> Any:
        return model(input_features=mel).logits

    @classmethod
    def candidate(cls) -> Any:
        from mlx_audio.stt.models.lasr_ctc.config import ModelConfig
        from mlx_audio.stt.models.lasr_ctc.lasr import LasrForCTC

        model = cls.model()
        weights = {name: value for name, value in arrays(model).items() if "num_batches_tracked" not in name}
        biases = (
            "norm_feed_forward1.bias",
            "norm_feed_forward2.bias",
            "norm_self_att.bias",
            "norm_conv.bias",
            "norm_out.bias",
            "out_norm.bias",
        )
        return load(LasrForCTC(ModelConfig.from_dict(model.config.to_dict())), weights, biases)

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"mel": normal(2, frames, 10)} for frames in (33, 41)]


class Parakeet(Encoder):
    """A mel -> states: three convolutions that halve both axes, relative positions in both directions.

    Names are translated by the port's own `map_weight_name`; layouts are those of its published files. It computes its
    table of positions itself, in double on the stand-in.
    """

    name = "mlx-audio/parakeet encoder"
    options: ClassVar = {"source": "standin"}

    @classmethod
    def model(cls) -> Any:
        from transformers import ParakeetEncoder, ParakeetEncoderConfig

        config = ParakeetEncoderConfig(
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=HEADS,
            intermediate_size=2 * WIDTH,
            conv_kernel_size=KERNEL,
            subsampling_factor=8,
            subsampling_conv_channels=8,
            num_mel_bins=16,
            max_position_embeddings=64,
            attention_bias=False,
            convolution_bias=False,
            scale_input=True,
        )
        return filled(ParakeetEncoder(config))

    @staticmethod
    def call(model: Any, *, mel: Any) -> Any:
        return model(mel).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        import mlx.core as mx
        from mlx_audio.stt.models.parakeet.conformer import Conformer, ConformerArgs
        from mlx_audio.stt.models.parakeet.redux import map_weight_name

        port = Conformer(
            ConformerArgs(
                feat_in=16,
                n_layers=2,
                d_model=WIDTH,
                n_heads=HEADS,
                ff_expansion_factor=2,
                subsampling_factor=8,
                self_attention_model="rel_pos",
                subsampling="dw_striding",
                conv_kernel_size=KERNEL,
                subsampling_conv_channels=8,
                pos_emb_max_len=64,
                use_bias=False,
                xscaling=True,
            )
        )
        last = {3: (0, 2, 1), 4: (0, 2, 3, 1)}  # channels, of convolutions
        named = {
            map_weight_name(f"encoder.{name}").removeprefix("encoder."): mx.array(value.transpose(last[value.ndim]))
            if value.ndim in last
            else mx.array(value)
            for name, value in arrays(cls.model()).items()
            if "num_batches_tracked" not in name
        }
        port.load_weights(list(named.items()), strict=True)
        port.eval()
        return lambda mel: port(mel)[0]

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"mel": normal(2, frames, 16)} for frames in (40, 57)]


PAIRS = (GraniteSpeech, Lasr, Parakeet)
