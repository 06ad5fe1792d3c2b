"""Poly: golden/tuner_poly*, poly_training, poly_t5."""

import torch
from peft import PeftModel, PolyConfig, get_peft_model
from peft.tuners.poly.router import PolyRouter

from . import common, lora_decoders, tuners

TASK = {"task_type": "CAUSAL_LM"}
TASKS = {"task_ids": torch.tensor([2, 0])}

SECTIONS = tuners.sections(
    {
        "poly": tuners.case(
            PolyConfig(r=3, n_tasks=3, n_skills=2, n_splits=2, target_modules=["q_proj", "v_proj"], **TASK),
            "rows of two tasks mix two skills, in two parts of each layer",
            scale=0.5,
            batch=TASKS,
        ),
        "poly_llama": tuners.case(
            PolyConfig(r=2, n_tasks=4, n_skills=3, init_weights=False, target_modules=["k_proj", "o_proj", "down_proj"], **TASK),
            "a random start; three skills",
            base="llama_lora/base",
            model=lora_decoders.tiny_llama,
            scale=0.5,
            batch={"task_ids": torch.tensor([3, 1])},
        ),
    }
)


def write_training(folder):
    """Shares drawn while training, after torch.manual_seed(5), with the adapter of tuner_poly; a fresh adapter."""
    batch = common.causal_batch() | TASKS
    tuned = PeftModel.from_pretrained(common.tiny_opt(), folder.parent / "tuner_poly" / "adapter", is_trainable=True)
    tuned.eval()
    for module in tuned.modules():
        if isinstance(module, PolyRouter):  # OPT itself draws numbers while training, which it does not use
            module.train()
    torch.manual_seed(5)
    tensors = {"drawn.logits": common.logits_of(tuned, batch)}
    config = PolyConfig(r=3, n_tasks=2, n_skills=2, n_splits=2, init_weights=False, target_modules=["v_proj"])
    base = common.tiny_opt()
    torch.manual_seed(6)
    fresh = get_peft_model(base, config)
    tensors |= {f"fresh.{name}": p.detach() for name, p in fresh.named_parameters() if p.requires_grad}
    common.write_tensors(folder / "io.safetensors", tensors)


SECTIONS["poly_training"] = write_training
