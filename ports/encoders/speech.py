"""mlx-audio's encoders of speech: Whisper with its decoder, and what descends from it; wav2vec 2.0; Moonshine."""

from __future__ import annotations

from typing import Any, ClassVar

from ports.encoders.encoder import Encoder, Inputs, arrays, filled, integers, load, normal

WIDTH, HEADS, LAYERS, MELS, POSITIONS = 24, 3, 2, 10, 15
"""Of every encoder that takes a mel; it has two frames for each position."""


class Whisper(Encoder):
    """A mel and tokens -> logits: the encoder, and the decoder with its cross attention and causal mask.

    The reference's positions are sinusoids, which the port computes itself. The stand-in computes these in double.
    """

    name = "mlx-audio/whisper"
    options: ClassVar = {"source": "standin"}

    @classmethod
    def model(cls) -> Any:
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        config = WhisperConfig(
            vocab_size=97,
            num_mel_bins=MELS,
            d_model=WIDTH,
            encoder_layers=LAYERS,
            decoder_layers=LAYERS,
            encoder_attention_heads=HEADS,
            decoder_attention_heads=HEADS,
            encoder_ffn_dim=4 * WIDTH,
            decoder_ffn_dim=4 * WIDTH,
            max_source_positions=POSITIONS,
            max_target_positions=20,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
        )
        return filled(WhisperForConditionalGeneration(config), keep="encoder.embed_positions")

    @staticmethod
    def call(model: Any, *, mel: Any, tokens: Any) -> Any:
        return model(input_features=mel, decoder_input_ids=tokens, use_cache=False).logits

    @classmethod
    def candidate(cls) -> Any:
        import mlx.core as mx
        from mlx_audio.stt.models.whisper.whisper import Model, ModelDimensions

        model = cls.model()
        return load(Model(ModelDimensions.from_dict(model.config.to_dict()), dtype=mx.float32), arrays(model))

    @classmethod
    def inputs(cls) -> list[Inputs]:
        mel = normal(2, MELS, 2 * POSITIONS)
        return [{"mel": mel, "tokens": integers(3, 97, 2, length)} for length in (5, 7)]


class WhisperStep(Whisper):
    """The logits of the first tokens, then those of one more from the decoder's cache."""

    name = "mlx-audio/whisper, a step with its cache"

    @staticmethod
    def call(model: Any, *, mel: Any, tokens: Any, step: Any) -> Any:
        first = model(input_features=mel, decoder_input_ids=tokens, use_cache=True)
        encoded, cache = (first.encoder_last_hidden_state,), first.past_key_values
        second = model(encoder_outputs=encoded, decoder_input_ids=step, past_key_values=cache, use_cache=True)
        return first.logits, second.logits

    @classmethod
    def candidate(cls) -> Any:
        model = super().candidate()

        def call(mel: Any, tokens: Any, step: Any) -> Any:
            encoded = model.encoder(mel)
            first, cache, _ = model.decoder(tokens, encoded)
            second, _, _ = model.decoder(step, encoded, kv_cache=cache)
            return first, second

        return call

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{**one, "step": integers(3, 97, 2, 1)} for one in super().inputs()]


class Voxtral(Encoder):
    """A mel -> states, with positions that are learned."""

    name = "mlx-audio/voxtral encoder"

    @classmethod
    def model(cls) -> Any:
        from transformers import VoxtralEncoder, VoxtralEncoderConfig

        config = VoxtralEncoderConfig(
            hidden_size=WIDTH,
            intermediate_size=40,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_mel_bins=MELS,
            max_source_positions=POSITIONS,
        )
        return filled(VoxtralEncoder(config))

    @staticmethod
    def call(model: Any, *, mel: Any) -> Any:
        return model(mel).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        import mlx.core as mx
        from mlx_audio.stt.models.voxtral.config import AudioConfig
        from mlx_audio.stt.models.voxtral.voxtral import Encoder as Port
        from mlx_audio.stt.models.voxtral.voxtral import Model

        port = Port(
            AudioConfig(
                d_model=WIDTH,
                encoder_ffn_dim=40,
                encoder_layers=LAYERS,
                encoder_attention_heads=HEADS,
                num_mel_bins=MELS,
                max_source_positions=POSITIONS,
            )
        )
        named = {name: mx.array(value) for name, value in arrays(cls.model()).items()}
        port.load_weights(list(Model.sanitize(None, named).items()), strict=True)
        return port

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"mel": normal(2, MELS, 2 * POSITIONS)}, {"mel": normal(3, MELS, 2 * POSITIONS)}]


class Wav2Vec2(Encoder):
    """Waves -> states: norms over groups in the convolutions, positions by a convolution with a weight norm."""

    name = "mlx-audio/wav2vec2"
    settings: ClassVar[dict[str, Any]] = {}

    @classmethod
    def model(cls) -> Any:
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        config = Wav2Vec2Config(
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=40,
            conv_dim=(16, 16, 20),
            conv_stride=(5, 2, 2),
            conv_kernel=(10, 3, 2),
            num_feat_extract_layers=3,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            **cls.settings,
        )
        return filled(Wav2Vec2Model(config))

    @staticmethod
    def call(model: Any, *, wave: Any) -> Any:
        return model(wave).last_hidden_state

    @classmethod
    def candidate(cls) -> Any:
        from mlx_audio.stt.models.wav2vec.wav2vec import ModelConfig, Wav2Vec2Model

        model = cls.model()
        port = load(Wav2Vec2Model(ModelConfig.from_dict(model.config.to_dict())), arrays(model))
        return lambda wave: port(wave).last_hidden_state

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [{"wave": normal(2, 643)}, {"wave": normal(2, 800)}]


class StableWav2Vec2(Wav2Vec2):
    """Norms before each block, and over channels in the convolutions, which have biases."""

    name = "mlx-audio/wav2vec2, stable norms"
    settings: ClassVar = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}


class Moonshine(Encoder):
    """Waves and tokens -> states of the encoder, and logits; two thirds of each head are turned by its position.

    The port reads `partial_rotary_factor` where published configurations have it.
    """

    name = "mlx-audio/moonshine"
    turned = 0.7

    @classmethod
    def model(cls) -> Any:
        from transformers import MoonshineConfig, MoonshineForConditionalGeneration

        config = MoonshineConfig(
            vocab_size=50,
            hidden_size=WIDTH,
            intermediate_size=40,
            encoder_num_hidden_layers=LAYERS,
            decoder_num_hidden_layers=LAYERS,
            encoder_num_attention_heads=2,
            decoder_num_attention_heads=2,
            max_position_embeddings=64,
            partial_rotary_factor=cls.turned,
            pad_token_id=0,
        )
        return filled(MoonshineForConditionalGeneration(config))

    @staticmethod
    def call(model: Any, *, wave: Any, tokens: Any) -> Any:
        made = model(input_values=wave, decoder_input_ids=tokens, use_cache=False)
        return made.encoder_last_hidden_state, made.logits

    @classmethod
    def candidate(cls) -> Any:
        from mlx_audio.stt.models.moonshine.moonshine import Model, ModelConfig

        model = cls.model()
        config = {**model.config.to_dict(), "partial_rotary_factor": cls.turned}
        port = load(Model(ModelConfig.from_dict(config)), arrays(model))

        def call(wave: Any, tokens: Any) -> Any:
            states = port.encoder(wave)
            return states, port._get_logits(port.decoder(tokens, states)[0])

        return call

    @classmethod
    def inputs(cls) -> list[Inputs]:
        return [
            {"wave": normal(2, samples), "tokens": integers(3, 50, 2, length)}
            for samples, length in ((4000, 5), (5203, 7))
        ]


PAIRS = (Whisper, WhisperStep, Voxtral, Wav2Vec2, StableWav2Vec2, Moonshine)
