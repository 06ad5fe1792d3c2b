"""FRoD: golden/tuner_frod*. Java computes U when it is first needed, so that it moves."""

from peft import FrodConfig

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "frod": tuners.case(
            FrodConfig(progressbar=False, sparse_rate=0.1, projection_prng_key=3, target_modules=["q_proj", "fc1", "fc2"], **TASK),
            "bases of three roles",
            scale=0.1,
            offset=0.9,
            moving_buffers=["frod_U"],
        ),
        "frod_gpt2": tuners.case(
            FrodConfig(progressbar=False, sparse_rate=0.05, target_modules=["c_attn"], fan_in_fan_out=True, init_weights=False, **TASK),
            "over transposed weights, a random start",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.1,
            offset=0.9,
            moving_buffers=["frod_U"],
        ),
    }
)
