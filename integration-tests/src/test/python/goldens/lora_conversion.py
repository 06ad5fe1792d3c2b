"""`convert_to_lora`, `save_as_lora`: LoRA in place of a LoHa adapter, with a rank and with a share of the energy."""

import torch
from peft import LoHaConfig, PeftModel, get_peft_model, save_as_lora
from safetensors.torch import load_file

from . import common
from .weighted_adapters import products

RANKS = {"rank": 3, "share": 0.9}
NOTE = "<row>.product.<path>: B A of the saved LoRA; <row>.logits: of the base with it. The LoHa adapter has a full copy of lm_head."


def write(folder):
    batch = common.causal_batch()
    base = common.tiny_opt(tie_word_embeddings=False)
    base.save_pretrained(folder / "base")
    base.name_or_path = base.config.name_or_path = ""
    torch.manual_seed(1)
    config = LoHaConfig(r=3, alpha=7, target_modules=["q_proj", "fc1"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model, scale=0.7)
    model.save_pretrained(folder / "loha")
    (folder / "loha/README.md").unlink()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    rows = []
    for row, rank in RANKS.items():
        scratch = folder / "scratch"
        save_as_lora(scratch, model, rank=rank)
        saved = load_file(scratch / "adapter_model.safetensors")
        tensors |= {f"{row}.product.{path}": value for path, value in products(saved).items()}
        lora = PeftModel.from_pretrained(common.tiny_opt(tie_word_embeddings=False), scratch).eval()
        tensors[f"{row}.logits"] = common.logits_of(lora, batch)
        written = lora.peft_config["default"].to_dict()
        facts = {name: written[name] for name in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "modules_to_save")}
        rows.append({"row": row, "rank": rank, "keys": sorted(saved), "config": facts})
        common.shutil.rmtree(scratch)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json", {"case": folder.name, "note": NOTE, "versions": common.versions(), "rows": rows}
    )


SECTIONS = {"lora_conversion": write}
