"""HiRA: golden/tuner_hira*."""

from peft import HiraConfig

from . import tuners
from .lora_decoders import tiny_gpt2, tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "hira": tuners.case(
            HiraConfig(r=3, target_modules=["q_proj", "fc2"], rank_pattern={"fc2": 2}, **TASK),
            "a pattern of ranks, which PEFT does not look at",
            scale=0.6,
        ),
        "hira_embedding": tuners.case(
            HiraConfig(r=2, target_modules=["embed_tokens", "v_proj"], init_weights="gaussian", **TASK),
            "an embedding, a gaussian start",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.35,
        ),
        "hira_gpt2": tuners.case(
            HiraConfig(r=3, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True, init_weights=False, **TASK),
            "over transposed weights, a random start",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.5,
        ),
    }
)
