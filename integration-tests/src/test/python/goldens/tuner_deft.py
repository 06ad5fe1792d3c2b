"""DEFT: golden/tuner_deft*."""

from peft import DeftConfig

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "deft": tuners.case(
            DeftConfig(r=3, alpha=5, target_modules=["q_proj", "fc1"], **TASK), "directions P and relu(P)", scale=0.2
        ),
        "deft_qr_gpt2": tuners.case(
            DeftConfig(r=4, decomposition_method="qr", target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, **TASK),
            "orthonormal directions over transposed weights",
            base="gpt2_lora/base",
            model=tiny_gpt2,
        ),
        "deft_random": tuners.case(
            DeftConfig(r=20, decomposition_method="qr", init_weights=False, init_scale=3.0, target_modules=["v_proj"], **TASK),
            "a random start, as many directions as the weight has rows",
        ),
        "deft_para": tuners.case(
            DeftConfig(r=3, para=True, target_modules=["q_proj", "fc2"], **TASK), "only taken out (PaRa)", scale=0.2
        ),
    }
)
