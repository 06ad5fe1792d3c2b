"""PeftMixedModel: adapters of different types that act together, one around the other in the order of their addition."""

import copy

import torch
from peft import (
    AdaLoraConfig,
    LoHaConfig,
    LoKrConfig,
    OFTConfig,
    PeftMixedModel,
    ShiraConfig,
    get_peft_model,
)

from . import common
from .lora_opt import lora

TASK = {"task_type": "CAUSAL_LM"}
CONFIGS = {
    "lora": lora(r=3, lora_alpha=7, target_modules=["q_proj", "v_proj"]),
    "loha": LoHaConfig(r=2, alpha=3, target_modules=["q_proj", "fc1"], **TASK),
    "lokr": LoKrConfig(r=2, alpha=3, target_modules=["v_proj", "q_proj"], **TASK),
    "oft": OFTConfig(oft_block_size=4, target_modules=["q_proj", "v_proj"], **TASK),
    "shira": ShiraConfig(r=2, target_modules=["q_proj"], random_seed=5, **TASK),
    "adalora": AdaLoraConfig(init_r=3, target_r=2, lora_alpha=5, total_step=10, target_modules=["q_proj"], **TASK),
}
TOGETHER = [
    ["lora", "loha"],
    ["lora", "oft"],
    ["oft", "lora"],
    ["lokr", "oft", "lora"],
    ["shira", "lora"],
    ["adalora", "loha", "oft"],
]


def write(folder):
    base = common.tiny_opt()
    base.save_pretrained(folder / "base")
    batch = common.causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    for name, config in CONFIGS.items():
        model = get_peft_model(copy.deepcopy(base), config).eval()
        common.fill_trainable(model, salt=len(name))
        model.save_pretrained(folder / name)
        (folder / name / "README.md").unlink()
        tensors[f"{name}.logits"] = common.logits_of(model, batch)
    for names in TOGETHER:
        # not from_pretrained, which refuses OFT although get_peft_model(mixed=True) takes it
        model = PeftMixedModel(copy.deepcopy(base), copy.deepcopy(CONFIGS[names[0]]), names[0])
        for name in names:
            model.load_adapter(folder / name, name)
        model.eval()
        key = "+".join(names)
        model.set_adapter(names)
        tensors[f"{key}.logits"] = common.logits_of(model, batch)
        tensors[f"{key}.loss"], grads = common.gradients_of(model, batch)
        tensors |= {f"{key}.grad.{name}": value for name, value in grads.items() if "layers.0" in name}
        model.set_adapter(names[-1])
        tensors[f"{key}.last.logits"] = common.logits_of(model, batch)
        with model.disable_adapter(), torch.no_grad():
            tensors[f"{key}.disabled.logits"] = model(**batch).logits
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {"versions": common.versions(), "together": TOGETHER, "tolerances": common.TOLERANCES},
    )


SECTIONS = {"mixed_model": write}
