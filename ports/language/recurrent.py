"""Language models with state spaces, recurrences or convolutions, and those that mix them with attention."""

from __future__ import annotations

from ports.language.architecture import Architecture, same
from ports.language.departures import GROUPED, ONE_GROUP, ROUTED_AFTER
from ports.language.options import DELTA, EXPERTS, HYBRID, JAMBA, MAMBA, STATE, UNLIMITED
from ports.language.published import joined, renamed
from ports.pair import Departure

RECURRENT = {
    "falcon_h1": same("falcon_h1", settings=MAMBA),
    "falcon_mamba": Architecture("falcon_mamba", "mamba", settings={"state_size": 16}),
    "granitemoehybrid": same(
        "granitemoehybrid",
        settings={**HYBRID, "mamba_n_groups": 1, "position_embedding_type": "nope"},
        arguments={**UNLIMITED, "layer_types": HYBRID["layer_types"]},
    ),
    "granitemoehybrid-groups": same(
        "granitemoehybrid",
        settings={**HYBRID, "position_embedding_type": "rope"},
        arguments={**UNLIMITED, "layer_types": HYBRID["layer_types"]},
        departures=(ONE_GROUP,),
        mended=GROUPED,
    ),
    "jamba": same(
        "jamba",
        settings=JAMBA,
        departures=(ROUTED_AFTER,),
        mended={
            "scores = mx.take_along_axis(gates, inds, axis=-1)": "scores = mx.softmax(gates, axis=-1, precise=True)",
            "scores = mx.softmax(scores, axis=-1, precise=True)": "scores = mx.take_along_axis(scores, inds, axis=-1)",
        },
    ),
    "lfm2": same(
        "lfm2",
        settings={"num_hidden_layers": 4, "layer_types": ["conv", "full_attention"] * 2},
        arguments={"block_dim": 64, "block_ff_dim": 128},
    ),
    "lfm2_moe": same(
        "lfm2_moe",
        settings={
            **EXPERTS,
            "num_hidden_layers": 4,
            "num_dense_layers": 1,
            "layer_types": ["conv", "full_attention"] * 2,
        },
    ),
    "mamba": same("mamba", settings={"state_size": 16}),
    "mamba2": same("mamba2", settings={**STATE, "n_groups": 1}, arguments=UNLIMITED),
    "mamba2-groups": same(
        "mamba2", settings={**STATE, "n_groups": 2}, arguments=UNLIMITED, departures=(ONE_GROUP,), mended=GROUPED
    ),
    "mamba2-unlimited": same(
        "mamba2",
        settings={**STATE, "n_groups": 1},
        mended={
            "= args.time_step_limit": (
                '= [float(one["__float__"]) if isinstance(one, dict) else one for one in args.time_step_limit]'
            )
        },
        refused="Invalid type dict",
        reason='transformers writes an infinite limit as `{"__float__": "Infinity"}`, which the port takes as it is',
    ),
    "nemotron_h": same(
        "nemotron_h",
        settings={
            "num_hidden_layers": 4,
            "layers_block_type": ["mamba", "attention", "mamba", "mlp"],
            "mamba_num_heads": 8,
            "mamba_head_dim": 16,
            "ssm_state_size": 16,
            "n_groups": 2,
            "chunk_size": 8,
            "expand": 2,
        },
        arguments=UNLIMITED,
    ),
    "olmo_hybrid": same(
        "olmo_hybrid",
        settings={**DELTA, "linear_key_head_dim": 32},
        published=renamed(attention_layer_norm="input_layernorm", feedforward_layer_norm="post_attention_layernorm"),
    ),
    "qwen3_5": Architecture("qwen3_5_text", "qwen3_5", settings=DELTA),
    "qwen3_5_moe": Architecture(
        "qwen3_5_moe_text",
        "qwen3_5_moe",
        settings={**DELTA, **EXPERTS, "shared_expert_intermediate_size": 32},
        published=joined,
    ),
    "qwen3_next": same(
        "qwen3_next", settings={**DELTA, **EXPERTS, "shared_expert_intermediate_size": 32, "partial_rotary_factor": 0.5}
    ),
    "recurrent_gemma": same(
        "recurrent_gemma",
        settings={"attention_window_size": 8, "lru_width": 64, "num_key_value_heads": 1},
        departures=(
            Departure(
                "the norms of a block add 1e-05, where transformers adds the configuration's epsilon of 1e-06",
                "1e-06",
                "1e-05",
            ),
        ),
        mended={"norm = RMSNorm(width)": "norm = RMSNorm(width, eps=1e-6)"},
    ),
}
