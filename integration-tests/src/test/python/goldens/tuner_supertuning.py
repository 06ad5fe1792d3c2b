"""Super-Tuning: golden/tuner_supertuning*."""

import torch
from peft import SupertuningConfig, get_peft_model

from . import common, tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "supertuning": tuners.case(
            SupertuningConfig(sparsity=0.9, target_modules=["q_proj", "fc1"], **TASK),
            "the largest elements",
            scale=0.6,
        ),
        "supertuning_bottom": tuners.case(
            SupertuningConfig(
                sparsity=0.83, select_top=False, save_precomputed_indices=False, target_modules=["v_proj", "fc2"], **TASK
            ),
            "the smallest elements, whose places are not in the file",
            scale=0.6,
            bits_of_base=True,
        ),
        "supertuning_supra": tuners.case(
            SupertuningConfig(sparsity=0.95, r=3, lora_alpha=7, init_weights=False, target_modules=["q_proj", "down_proj"], **TASK),
            "low-rank matrices besides, a random start",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.4,
        ),
    }
)


def write_start(folder):
    """First values of Supra over opt_lora/base after seed 4, with effect and without."""
    tensors = {}
    for name, given in {"random": False, "plain": True}.items():
        config = SupertuningConfig(sparsity=0.9, r=3, init_weights=given, target_modules=["q_proj", "fc1"], **TASK)
        base = common.tiny_opt()
        torch.manual_seed(4)
        tuned = get_peft_model(base, config)
        tensors |= {f"{name}.{key}": value for key, value in tuned.state_dict().items() if "supertuning" in key}
    common.write_tensors(folder / "io.safetensors", tensors)


SECTIONS["supertuning_start"] = write_start
