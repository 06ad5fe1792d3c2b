"""Uni-LoRA: golden/tuner_unilora*."""

import torch
from peft import UniLoraConfig
from peft.tuners.unilora.model import UniLoraModel

from . import common, tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "unilora": tuners.case(
            UniLoraConfig(r=3, theta_d_length=37, target_modules=["q_proj", "v_proj", "fc1"], **TASK),
            "indices that are drawn again from the seed",
            scale=1.5,
        ),
        "unilora_gpt2": tuners.case(
            UniLoraConfig(
                r=2,
                proj_seed=2**31 - 5,
                theta_d_length=600,
                save_indices=True,
                init_weights=False,
                target_modules=["c_attn", "mlp.c_proj"],
                fan_in_fan_out=True,
                **TASK,
            ),
            "over transposed weights; indices in the file; numbers that stand at one place, or at none",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.8,
        ),
    }
)


def write_indices(path):
    """What numpy's generator gives: count, length, seed, then sums over the indices and some of them."""
    rows = []
    for count, length, seed in [(37, 16, 42), (40, 8, 7), (5, 9, 0), (70001, 30000, 5), (20007, 20000, 2**40 + 3), (50, 1, 1)]:
        indices = UniLoraModel.generate_index(count, length, seed)
        weighted = int((indices * (torch.arange(count) % 1009 + 1)).sum())
        rows.append([count, length, seed, weighted, *indices[:8].tolist(), *indices[-4:].tolist()])
    common.write_json(path, rows)


SECTIONS["unilora_indices.json"] = write_indices
