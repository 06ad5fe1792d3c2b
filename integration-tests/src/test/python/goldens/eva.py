"""EVA: golden/eva. For each case the state dict of the decomposition, and the adapter that it initializes.

Singular vectors have a fixed sign in EVA, so that values can be compared as they are.
"""

import torch
from peft import EvaConfig, LoraConfig, get_eva_state_dict, get_peft_model, initialize_lora_eva_weights
from peft.tuners.lora import LoraLayer

from . import common, tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}
QKO = ["q_proj", "k_proj", "out_proj"]


def batches(count=6):
    """Left-padded rows without a pattern; labels count behind the third token."""
    generator = torch.Generator().manual_seed(11)
    result = []
    for index in range(count):
        ids = torch.randint(4, common.VOCAB, (4, 9), generator=generator)
        mask = torch.ones_like(ids)
        mask[0, : 1 + index % 3] = 0
        mask[2, :2] = 0
        ids[mask == 0] = common.PAD
        labels = torch.where(mask == 1, ids, torch.tensor(-100))
        labels[:, :3] = -100
        result.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    return result


def config(targets, eva=None, **more):
    values = {"r": 2, "lora_alpha": 5, "target_modules": targets, "init_lora_weights": "eva"}
    return LoraConfig(eva_config=EvaConfig(**{"tau": 0.9, **(eva or {})}), **TASK, **{**values, **more})


CASES = {
    "default": (tuners.opt, config(QKO)),
    "every_token": (tuners.opt, config(QKO, {"use_label_mask": False})),
    "other_mask": (tuners.opt, config(["out_proj"], {"label_mask_value": 7})),
    "moved": (tuners.opt, config(QKO, {"rho": 4.0, "tau": 0.8})),
    "dropped": (tuners.opt, config(["q_proj", "v_proj", "out_proj"], {"rho": 5.0, "tau": 0.8}, r=1)),
    "fixed_ranks": (tuners.opt, config(QKO, {"rho": 1.0, "tau": 0.95})),
    "whitened": (tuners.opt, config(["q_proj", "out_proj"], {"whiten": True})),
    "unscaled": (tuners.opt, config(QKO, {"adjust_scaling_factors": False, "rho": 1.5}, use_rslora=True)),
    "patterns": (tuners.opt, config(QKO, rank_pattern={"layers.0.self_attn.out_proj": 3}, alpha_pattern={"k_proj": 9})),
    "dora": (tuners.opt, config(QKO, use_dora=True)),
    "gpt2": (tiny_gpt2, config(["c_attn", "c_proj"], {"rho": 1.3}, fan_in_fan_out=True)),
    "embedding": (tuners.opt, config(["q_proj", "embed_tokens"])),
}


def write(folder):
    rows = {}
    tensors = {}
    for index, batch in enumerate(batches()):
        tensors |= {f"in.{index}.{name}": value for name, value in batch.items()}
    for name, (base, settings) in CASES.items():
        torch.manual_seed(3)
        model = get_peft_model(base(), settings)
        data = [batch | common.positions(model, batch) for batch in batches()]
        state = get_eva_state_dict(model, data, show_progress_bar=False)
        tensors |= {f"{name}.eva.{key}": value.clone() for key, value in state.items()}
        initialize_lora_eva_weights(model, data, show_progress_bar=False)
        if name != "embedding":
            again = get_peft_model(base(), settings)
            initialize_lora_eva_weights(again, eva_state_dict=dict(state))
            assert set(again.state_dict()) == set(model.state_dict())
        saved = {key: value for key, value in model.state_dict().items() if "lora_" in key}
        tensors |= {f"{name}.param.{key}": value for key, value in saved.items() if "embedding" not in key}
        scales = {key: module.scaling["default"] for key, module in model.named_modules() if isinstance(module, LoraLayer)}
        values = model.peft_config["default"].to_dict()
        rows[name] = {
            "base": "gpt2_lora/base" if base is tiny_gpt2 else "opt_lora/base",
            "config": GIVEN[name],
            "result": {key: values[key] for key in ("rank_pattern", "alpha_pattern", "init_lora_weights", "eva_config")}
            | {"target_modules": sorted(values["target_modules"])},
            "scaling": scales,
        }
    plain = get_eva_state_dict(tuners.opt(), batches(), config(["v_proj"]), show_progress_bar=False)
    tensors |= {f"plain.eva.{key}": value for key, value in plain.items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), "cases": rows})


FIELDS = "r lora_alpha target_modules init_lora_weights eva_config rank_pattern alpha_pattern use_rslora use_dora task_type".split()

# What a case sets: the run changes its config.
GIVEN = {
    name: {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in settings.to_dict().items()
        if key in FIELDS
    }
    for name, (_, settings) in CASES.items()
}

SECTIONS = {"eva": write}
