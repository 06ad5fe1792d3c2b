"""`convert_to_lora`, `save_as_lora`: LoRA in place of adapters of other methods, with a rank and with a share of the energy."""

import torch
from peft import C3AConfig, DeloraConfig, LoHaConfig, MissConfig, PeftModel, VeraConfig, get_peft_model, save_as_lora
from safetensors.torch import load_file

from . import common
from .weighted_adapters import products

NOTE = (
    "<row>.product.<path>: B A of the saved LoRA; <row>.logits: of the base with it. The LoHa adapter has a full copy of lm_head. "
    "MiSS keeps its own rank, but for bat."
)
TASK = {"target_modules": ["q_proj", "fc1"], "task_type": "CAUSAL_LM"}
ADAPTERS = {
    "loha": LoHaConfig(r=3, alpha=7, modules_to_save=["lm_head"], **TASK),
    "miss": MissConfig(r=4, **TASK),
    "miss_mini": MissConfig(r=4, mini_r=2, init_weights="mini", **TASK),
    "miss_bat": MissConfig(r=4, init_weights="bat", **TASK),
    "vera": VeraConfig(r=5, **TASK),
    "c3a": C3AConfig(block_size=4, layers_to_transform=1, layers_pattern=["layers"], **TASK),
    "delora": DeloraConfig(r=5, delora_lambda=9, **TASK),
}
ROWS = [
    ("rank", "loha", 3),
    ("share", "loha", 0.9),
    ("miss_rank", "miss", 3),
    ("miss_share", "miss", 0.5),
    ("miss_mini_rank", "miss_mini", 4),
    ("miss_bat_share", "miss_bat", 0.6),
    ("vera_rank", "vera", 2),
    ("c3a_share", "c3a", 0.8),
    ("delora_rank", "delora", 3),
]


def base():
    model = common.tiny_opt(tie_word_embeddings=False)
    model.name_or_path = model.config.name_or_path = ""
    return model


def adapted(name, folder):
    torch.manual_seed(1)
    model = get_peft_model(base(), ADAPTERS[name]).eval()
    common.fill_trainable(model, scale=0.7)
    model.save_pretrained(folder / name)
    (folder / name / "README.md").unlink()
    return model


def write(folder):
    batch = common.causal_batch()
    common.tiny_opt(tie_word_embeddings=False).save_pretrained(folder / "base")
    tensors = {f"in.{name}": value for name, value in batch.items()}
    rows = []
    for row, adapter, rank in ROWS:
        scratch = folder / "scratch"
        save_as_lora(scratch, adapted(adapter, folder), rank=rank)
        saved = load_file(scratch / "adapter_model.safetensors")
        tensors |= {f"{row}.product.{path}": value for path, value in products(saved).items()}
        lora = PeftModel.from_pretrained(base(), scratch).eval()
        tensors[f"{row}.logits"] = common.logits_of(lora, batch)
        written = lora.peft_config["default"].to_dict()
        facts = {name: written[name] for name in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "modules_to_save")}
        rows.append({"row": row, "adapter": adapter, "rank": rank, "keys": sorted(saved), "config": facts})
        common.shutil.rmtree(scratch)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json", {"case": folder.name, "note": NOTE, "versions": common.versions(), "rows": rows}
    )


SECTIONS = {"lora_conversion": write}
