"""Two LoRA adapters on one model: activation, merging a subset, folder layout, status reports."""

import copy
import dataclasses

import torch
from peft import get_peft_model

from . import common
from .lora_opt import lora


NOTE = (
    "adapter 'default' (r 4, alpha 10, q_proj v_proj) and 'b' (r 3, alpha 5, q_proj out_proj). merged_b.logits: 'b' "
    "merged while 'default' is active; an adapted layer with a merged adapter uses its weight only, a layer that 'b' "
    "does not touch (v_proj) still applies 'default'. c_added: 'c' added while 'b' is merged. PEFT cannot use adapter_names with fc1/fc2 of OPT, which "
    "flattens batch and length before them."
)


def write(folder):
    base = common.tiny_opt()
    base.save_pretrained(folder / "base")
    batch = common.causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["base.logits"] = common.logits_of(base, batch)

    model = get_peft_model(base, lora(r=4, lora_alpha=10, target_modules=["q_proj", "v_proj"])).eval()
    model.add_adapter("b", lora(r=3, lora_alpha=5, target_modules=["q_proj", "out_proj"]))
    for adapter in ("default", "b"):
        model.set_adapter(adapter)
        common.fill_trainable(model)
    model.set_adapter("default")
    states = {"two_adapters": status(model)}
    model.save_pretrained(folder / "adapter")

    for adapter in ("default", "b"):
        model.set_adapter(adapter)
        tensors[f"active.{adapter}.logits"] = common.logits_of(model, batch)
    states["b_active"] = status(model)
    tensors["adapter_names.logits"] = mixed_batch(model, batch)
    model.base_model.set_adapter(["default", "b"])
    tensors["active.both.logits"] = common.logits_of(model, batch)
    states["both_active"] = status(model)
    for adapter in ("default", "b"):
        model.set_adapter(adapter)
        tensors[f"loss.{adapter}"], grads = common.gradients_of(model, batch)
        tensors |= {f"grad.{adapter}.{name}": value for name, value in grads.items()}

    model.set_adapter("default")
    merged = copy.deepcopy(model)
    merged.merge_adapter(["b"])
    states["b_merged"] = status(merged)
    tensors["merged_b.logits"] = common.logits_of(merged, batch)
    merged.unmerge_adapter()
    tensors["unmerged.logits"] = common.logits_of(merged, batch)
    merged.merge_adapter(["b"])
    merged.add_adapter("c", lora(r=2, lora_alpha=3, target_modules=["fc1"]))  # unmerges
    states["c_added"] = status(merged)
    tensors["c_added.logits"] = common.logits_of(merged, batch)
    for label, names in {"default": ["default"], "b": ["b"], "both": ["default", "b"]}.items():
        plain = copy.deepcopy(model).merge_and_unload(adapter_names=names)
        tensors[f"merged_unloaded.{label}.logits"] = common.logits_of(plain, batch)
        adapted = ("q_proj.weight", "v_proj.weight", "out_proj.weight")
        weights = {name: value for name, value in plain.state_dict().items() if name.endswith(adapted)}
        tensors |= {f"merged.{label}.weight.{name}": value for name, value in weights.items()}
    with model.disable_adapter(), torch.no_grad():
        states["disabled"] = status(model)
        tensors["disabled.logits"] = model(**batch).logits
    deleted = copy.deepcopy(model)
    deleted.set_adapter("b")
    deleted.delete_adapter("default")
    states["default_deleted"] = status(deleted)
    tensors["deleted_default.logits"] = common.logits_of(deleted, batch)

    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": NOTE,
            "versions": common.versions(),
            "seeds": {"base": 7, "adapter": "crc32(parameter name) + 3"},
            "tolerances": common.TOLERANCES,
            "adapterNamesRows": ["default", "b", "__base__"],
            "savedFiles": sorted(str(f.relative_to(folder / "adapter")) for f in (folder / "adapter").rglob("*.*")),
        },
    )
    common.write_json(folder / "status.json", states)


def mixed_batch(model, batch):
    """Logits of three rows (the first input row three times) with one adapter per row."""
    rows = {name: value[:1].repeat(3, 1) for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        return model(**rows, adapter_names=["default", "b", "__base__"]).logits


def status(model):
    return {
        "layers": [dataclasses.asdict(layer) for layer in model.get_layer_status()],
        "model": dataclasses.asdict(model.get_model_status()),
    }


SECTIONS = {"two_adapters": write}
