"""Activated LoRA: golden/tuner_alora, and golden/alora with several adapters and invocations."""

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.variants import calculate_alora_offsets
from transformers import GenerationConfig

from . import common, tuners

TASK = {"task_type": "CAUSAL_LM"}
ADAPTERS = {
    "default": LoraConfig(r=3, lora_alpha=7, target_modules=["q_proj", "k_proj"], alora_invocation_tokens=[6, 17], **TASK),
    "late": LoraConfig(r=4, lora_alpha=6, target_modules=["v_proj", "out_proj"], alora_invocation_tokens=[9], **TASK),
    "plain": LoraConfig(r=2, lora_alpha=5, target_modules=["q_proj", "v_proj"], **TASK),
}
IDS = [[6, 17, 4, 9, 6, 17, 8, 21], [2, 6, 8, 17, 6, 9, 9, 6], [2, 5, 9, 30, 31, 32, 6, 17], [6, 17, 12, 9, 3, 2, 8, 4]]
MIXED = ["default", "late", "plain", "__base__"]


def tuned():
    torch.manual_seed(1)
    model = get_peft_model(common.tiny_opt(), ADAPTERS["default"]).eval()
    for name in ("late", "plain"):
        model.add_adapter(name, ADAPTERS[name])
    for name in ADAPTERS:
        model.set_adapter(name)
        common.fill_trainable(model)
    model.set_adapter("default")
    return model


def write(folder):
    model = tuned()
    model.save_pretrained(folder / "adapter")
    for card in (folder / "adapter").rglob("README.md"):
        card.unlink()
    ids = torch.tensor(IDS)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    tensors = {"ids": ids}
    rows = {}
    settings = GenerationConfig(max_new_tokens=6, do_sample=False, pad_token_id=common.PAD, eos_token_id=None)
    model.generation_config.eos_token_id = None
    for name in ADAPTERS:
        model.set_adapter(name)
        offsets = calculate_alora_offsets(model.peft_config, name, ids)
        rows[name] = [offset or 0 for offset in offsets]
        tensors[f"{name}.logits"] = common.logits_of(model, batch)
        tensors[f"{name}.gen"] = model.generate(**batch, generation_config=settings)
    model.set_adapter("default")
    with torch.no_grad():
        tensors["mixed.logits"] = model(**batch, adapter_names=MIXED).logits
        tensors["given.logits"] = model(**batch, alora_offsets=[3, None, 8, 1]).logits
    tensors["mixed.gen"] = model.generate(**batch, generation_config=settings, adapter_names=MIXED)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), "offsets": rows, "mixed": MIXED, "given": [3, 0, 8, 1]})


SECTIONS = {"alora": write} | tuners.sections(
    {"alora": tuners.case(ADAPTERS["default"], "one row has the invocation, the other has not")}
)
