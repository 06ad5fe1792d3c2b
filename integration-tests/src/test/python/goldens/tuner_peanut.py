"""PEANuT: golden/tuner_peanut*."""

from peft import PeanutConfig

from . import tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "peanut": tuners.case(
            PeanutConfig(r=4, depth=2, act_fn="silu", scaling=3.0, target_modules=["q_proj", "fc1"], **TASK),
            "hidden layers with residuals",
            scale=0.9,
        ),
        "peanut_llama": tuners.case(
            PeanutConfig(r=5, act_fn="gelu", scaling=2.5, init_weights=False, target_modules=["v_proj", "down_proj"], **TASK),
            "no hidden layers, a random start",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.9,
        ),
    }
)
