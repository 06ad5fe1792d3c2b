"""LN tuning: golden/tuner_ln_tuning*."""

from peft import LNTuningConfig

from . import tuners
from .lora_decoders import tiny_gpt2, tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "ln_tuning": tuners.case(
            LNTuningConfig(target_modules=["self_attn_layer_norm", "layers.1.final_layer_norm"], **TASK),
            "norms with a bias",
            offset=1.0,
        ),
        "ln_tuning_gpt2": tuners.case(
            LNTuningConfig(**TASK), "the default norms", base="gpt2_lora/base", model=tiny_gpt2, offset=1.0
        ),
        "ln_tuning_llama": tuners.case(
            LNTuningConfig(**TASK), "norms by the root mean square", base="llama_lora/base", model=tiny_llama, offset=1.0
        ),
    }
)
