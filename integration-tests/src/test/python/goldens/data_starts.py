"""CorDA and LoRA-GA: golden/corda and golden/loraga. Fresh adapters, and the base weights that they leave."""

import copy
import dataclasses
import sys
import types

import torch
from peft import LoraConfig, LoraGAConfig, get_peft_model
from peft.tuners.lora.config import CordaConfig
from peft.tuners.lora.loraga import preprocess_loraga

from . import common, tuners
from .lora_decoders import tiny_gpt2

# corda.py takes its dataclass from attrs, which need not be installed.
sys.modules.setdefault("attr", types.SimpleNamespace(dataclass=dataclasses.dataclass))
from peft.tuners.lora.corda import preprocess_corda  # noqa: E402

TASK = {"task_type": "CAUSAL_LM"}


def rows(count=5):
    """Rows without padding, one a batch: CorDA takes no others."""
    generator = torch.Generator().manual_seed(23)
    return [{"input_ids": torch.randint(4, common.VOCAB, (1, 12), generator=generator)} for _ in range(count)]


def config(targets, **more):
    return LoraConfig(**{"r": 3, "lora_alpha": 7, "target_modules": targets, **TASK, **more})


def corda(targets, method="ipm", **more):
    return config(targets, init_lora_weights="corda", corda_config=CordaConfig(corda_method=method), **more)


def loraga(targets, direction, scale, gamma=16, **more):
    options = LoraGAConfig(direction=direction, scale=scale, stable_gamma=gamma)
    return config(targets, init_lora_weights="lora_ga", lora_ga_config=options, **more)


CORDA = {
    "ipm": (tuners.opt, corda(["q_proj", "out_proj"])),
    "kpm": (tuners.opt, corda(["q_proj", "fc2"], "kpm")),
    "rslora": (tuners.opt, corda(["k_proj"], use_rslora=True, rank_pattern={"layers.1": 5})),
    "gpt2": (tiny_gpt2, corda(["c_attn", "mlp.c_proj"], fan_in_fan_out=True)),
}

LORAGA = {
    "stable": (tuners.opt, loraga(["q_proj", "fc1"], "ArB2r", "stable")),
    "swapped": (tuners.opt, loraga(["v_proj"], "A2rBr", "weight_svd")),
    "alternating": (tuners.opt, loraga(["v_proj", "fc2"], "ArBr", "gd_scale", use_rslora=True)),
    "random": (tuners.opt, loraga(["out_proj"], "random", "unit")),
    "bfloat16": (lambda: tuners.opt().to(torch.bfloat16), loraga(["q_proj"], "ArB2r", "stable", 4)),
    "gpt2": (tiny_gpt2, loraga(["c_attn"], "ArB2r", "stable", 25, fan_in_fan_out=True)),
}


def given(settings):
    return {key: sorted(value) if isinstance(value, set) else value for key, value in settings.to_dict().items() if key in FIELDS}


FIELDS = "r lora_alpha target_modules init_lora_weights corda_config lora_ga_config rank_pattern use_rslora task_type".split()


def run(model):
    for row in rows():
        model(**row)


def train(model):
    for row in rows():
        model(**row, labels=row["input_ids"]).loss.backward()


def write(folder, cases, prepare):
    tensors = {f"in.{i}.input_ids": row["input_ids"] for i, row in enumerate(rows())}
    facts = {}
    for name, (base, settings) in cases.items():
        facts[name] = {"base": "gpt2_lora/base" if base is tiny_gpt2 else "opt_lora/base", "config": given(settings)}
        settings = copy.deepcopy(settings)
        plain = base()
        before = {key: value.clone() for key, value in plain.state_dict().items()}
        prepare(plain, settings, folder, name)
        torch.manual_seed(3)  # now: OPT draws numbers while it trains
        model = get_peft_model(plain, settings)
        for key, value in model.state_dict().items():
            path = key.removeprefix("base_model.model.")
            if "lora_" in key or (path.endswith("base_layer.weight") and not torch.equal(value, before[path.replace(".base_layer", "")])):
                tensors[f"{name}.param.{key}"] = value
        facts[name]["changed"] = sorted(key for key in tensors if key.startswith(f"{name}.param.") and key.endswith("base_layer.weight"))
        assert facts[name]["changed"], name
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), "cases": facts})


def prepare_corda(model, settings, folder, name):
    if name == "ipm":
        settings.corda_config.cache_file = str(folder / "cache.pt")
        settings.corda_config.covariance_file = str(folder / "covariance.pt")
    preprocess_corda(model, settings, lambda: run(model))


def prepare_loraga(model, settings, folder, name):
    files = {"stable": "gradients.pt", "bfloat16": "gradients_bfloat16.pt"}
    preprocess_loraga(model, settings, lambda: train(model), str(folder / files[name]) if name in files else None)


SECTIONS = {
    "corda": lambda folder: write(folder, CORDA, prepare_corda),
    "loraga": lambda folder: write(folder, LORAGA, prepare_loraga),
}
