"""GraLoRA: golden/tuner_gralora*."""

from peft import GraloraConfig

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "gralora": tuners.case(
            GraloraConfig(r=4, alpha=7, target_modules=["q_proj", "fc1", "fc2"], **TASK), "two times two blocks", scale=0.7
        ),
        "gralora_hybrid": tuners.case(
            GraloraConfig(r=8, hybrid_r=3, gralora_k=4, alpha=9, target_modules=["v_proj"], init_weights=False, **TASK),
            "four times four blocks and a plain update; acts from the start",
            scale=0.7,
        ),
        "gralora_gpt2": tuners.case(
            GraloraConfig(r=4, hybrid_r=1, alpha=6, target_modules=["c_attn"], fan_in_fan_out=True, **TASK),
            "over transposed weights",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.7,
        ),
    }
)
