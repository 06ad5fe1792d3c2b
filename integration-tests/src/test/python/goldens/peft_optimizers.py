"""Three steps of peft.optimizers: golden/peft_optimizers. LoRA-FA without the rounding of gradients to bfloat16."""

import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_lorafa_optimizer, create_loraplus_optimizer, lorafa
from peft.optimizers.riemannian import create_riemannian_optimizer

from . import common
from .common import causal_batch

TASK = {"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 7}
LINEAR = dict(target_modules=["q_proj", "fc1"], rank_pattern={"fc1": 3}, bias="lora_only", **TASK)
NORMS = dict(target_modules=["q_proj", "fc1"], modules_to_save=["final_layer_norm"], **TASK)
TABLE = dict(target_modules=["q_proj", "embed_tokens"], **TASK)

CASES = {
    "loraplus": (LINEAR, lambda m: create_loraplus_optimizer(m, torch.optim.AdamW, lr=0.01, loraplus_lr_ratio=5, loraplus_weight_decay=0.02)),
    "loraplus_norms": (NORMS, lambda m: create_loraplus_optimizer(m, torch.optim.AdamW, lr=0.01, loraplus_lr_ratio=3, loraplus_weight_decay=0.1)),
    "loraplus_table": (TABLE, lambda m: create_loraplus_optimizer(m, torch.optim.SGD, lr=0.02, loraplus_lr_ratio=4, loraplus_lr_embedding=0.05)),
    "lorafa": (LINEAR, lambda m: create_lorafa_optimizer(m, r=4, lora_alpha=7, lr=0.01, weight_decay=0.05)),
    "riemannian": (LINEAR, lambda m: create_riemannian_optimizer(m, torch.optim.AdamW, lr=0.01, reg=0.02, weight_decay=0.03)),
    "riemannian_sgd": (NORMS, lambda m: create_riemannian_optimizer(m, torch.optim.SGD, lr=0.05)),
}


def write_optimizers(folder):
    lorafa.is_bf16_available = lambda *arguments, **options: False
    batch = causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    for name, (config, create) in CASES.items():
        base = common.tiny_opt(tie_word_embeddings=config is not TABLE)
        model = get_peft_model(base, LoraConfig(**config))
        common.fill_trainable(model)
        model.save_pretrained(folder / name)
        (folder / name / "README.md").unlink()
        optimizer = create(model)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        tensors[f"{name}.losses"] = torch.stack(losses)
        changed = {n: p for n, p in model.named_parameters() if p.requires_grad}
        tensors |= {f"{name}.after.{n}": p.detach().clone() for n, p in changed.items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    facts = {"case": folder.name, "note": "three steps", "versions": common.versions(), "tolerances": common.TOLERANCES}
    common.write_json(folder / "case.json", facts)


SECTIONS = {"peft_optimizers": write_optimizers}
