"""IA3: golden/tuner_ia3*."""

from peft import IA3Config

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "ia3": tuners.case(
            IA3Config(target_modules=["q_proj", "v_proj", "fc2"], feedforward_modules=["fc2"], **TASK),
            "scaled outputs, and scaled inputs in the feed-forward part",
            offset=1.0,
        ),
        "ia3_gpt2": tuners.case(
            IA3Config(target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True, **TASK),
            "over transposed weights",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            offset=1.0,
        ),
    }
)
