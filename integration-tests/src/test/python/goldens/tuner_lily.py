"""Lily: golden/tuner_lily*."""

from peft import LilyConfig

from . import tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}



SECTIONS = tuners.sections(
    {
        "lily": tuners.case(
            LilyConfig(r=4, stride_A=2, num_B=3, scaling=1.7, target_modules=["q_proj", "fc1"], **TASK),
            "two layers of a kind that share A and B",
            scale=0.6,
        ),
        "lily_llama": tuners.case(
            LilyConfig(r=3, num_B=2, scaling=2.0, init_weights=False, target_modules=r".*(q_proj|k_proj|v_proj|o_proj)", **TASK),
            "a pattern: layers of one shape are of one kind; a random start",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.5,
        ),
    }
)
