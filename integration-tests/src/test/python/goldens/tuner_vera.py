"""VeRA: golden/tuner_vera*."""

from peft import VeraConfig

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "vera": tuners.case(
            VeraConfig(r=6, d_initial=0.3, target_modules=["q_proj", "fc1", "fc2"], **TASK),
            "matrices shared by layers of several sizes, and saved",
            scale=0.8,
        ),
        "vera_seeded": tuners.case(
            VeraConfig(r=5, projection_prng_key=42, save_projection=False, target_modules=["v_proj", "fc1"], **TASK),
            "matrices drawn again from the seed",
            scale=0.8,
        ),
        "vera_gpt2": tuners.case(
            VeraConfig(r=4, init_weights=False, target_modules=["c_attn"], fan_in_fan_out=True, **TASK),
            "over transposed weights; acts from the start",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.8,
        ),
    }
)
