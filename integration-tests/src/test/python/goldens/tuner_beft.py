"""BEFT: golden/tuner_beft*."""

from peft import BeftConfig

from . import tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "beft": tuners.case(BeftConfig(target_modules=["v_proj", "fc1"], **TASK), "layers with a bias", scale=0.6),
        "beft_llama": tuners.case(
            BeftConfig(target_modules=["v_proj"], init_weights=False, **TASK),
            "layers without a bias, a random start",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.6,
        ),
    }
)
