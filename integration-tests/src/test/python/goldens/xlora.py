"""X-LoRA: golden/xlora*. The adapters that are mixed are below experts/. PEFT 0.21 saves X-LoRA wrongly (it loses the layers of the
classifier whose numbers are names of adapters), so the classifier's file is written here, under PEFT's keys."""

import copy
import re

import torch
from peft import LoraConfig, XLoraConfig, get_peft_model
from peft.helpers import rescale_adapter_scale
from peft.tuners.xlora import model as xlora_model
from safetensors.torch import save_file
from transformers import AutoModel

from . import common, heads
from .common import causal_batch, left_padded_batch
from .lora_decoders import tiny_llama
from .tuners import greedy

EXPERTS = [
    {"r": 2, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj"]},
    {"r": 3, "lora_alpha": 4, "target_modules": ["q_proj", "down_proj", "embed_tokens"]},
    {"r": 2, "lora_alpha": 3, "target_modules": ["v_proj", "down_proj"]},
]

CASES = {
    "xlora": ({"xlora_depth": 1}, "one linear layer, the same shares in all layers"),
    "xlora_layerwise": (
        {
            "xlora_depth": 3,
            "xlora_size": 8,
            "layerwise_scalings": True,
            "top_k_lora": 2,
            "enable_softmax": False,
            "enable_softmax_topk": True,
            "scaling_pass_value": 0.25,
            "global_scaling_weight": 1.7,
        },
        "three layers, shares of each layer, the best two adapters",
    ),
    "xlora_trained": (
        {"xlora_depth": 2, "xlora_size": 6, "xlora_dropout_p": 0.0, "softmax_temperature": 0.6, "use_trainable_adapters": True},
        "the adapters are trained too",
    ),
}


def base():
    model = tiny_llama()
    model.config.use_cache = False
    return model


def canonical(name):
    """Java's name for Python's parameter."""
    name = name.replace("base_model.lora_model.model.", "base_model.model.")
    name = re.sub(r"classifier\.layers\.(\d+)\.(\w+)", r"classifier.default.layers_\1_\2", name)
    name = re.sub(r"\.(lora_[AB])\.(\d)\.", r".\1_\2.default.", name)
    return re.sub(r"\.(lora_embedding_[AB])\.(\d)$", r".\1_\2.default", name)


def write_case(folder, values, note):
    paths = {}
    for number, expert in enumerate(EXPERTS):
        lora = get_peft_model(tiny_llama(), LoraConfig(task_type="CAUSAL_LM", **expert))
        common.fill_trainable(lora, scale=0.3 + 0.1 * number)
        lora.save_pretrained(folder / "experts" / str(number), save_embedding_layers=False)
        (folder / "experts" / str(number) / "README.md").unlink()
        paths[str(number)] = str(folder / "experts" / str(number))
    batch, left = causal_batch(), left_padded_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors |= {f"left.{name}": value for name, value in left.items()}
    plain = base()
    tensors["base.logits"] = common.logits_of(plain, batch)
    config = XLoraConfig(task_type="CAUSAL_LM", hidden_size=16, adapters=paths, **values)
    torch.manual_seed(1)
    tuned = get_peft_model(plain, config).eval()
    generator = torch.Generator().manual_seed(4)
    for name, parameter in tuned.named_parameters():
        if "xlora" in name:
            parameter.data = (torch.rand(parameter.shape, generator=generator) - 0.5) * (3 if values["xlora_depth"] == 1 else 1.5)
    trained = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    tensors |= {f"param.{n}": p.detach().clone() for n, p in trained.items()}
    tensors["adapter.logits"] = common.logits_of(tuned, batch)
    tensors["scalings"] = tuned.base_model.internal_xlora_scalings.detach().clone()
    with rescale_adapter_scale(tuned, 0.4):
        tensors["rescaled.logits"] = common.logits_of(tuned, batch)
    tensors["adapter.loss"], grads = common.gradients_of(tuned, batch)
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    tensors["gen.ids"] = greedy(tuned, left)
    tuned.base_model.set_topk_lora(1)
    tuned.base_model.set_global_scaling_weight(0.5)
    tuned.base_model.set_scaling_pass_value(None)
    tensors["changed.logits"] = common.logits_of(tuned, batch)
    tuned.base_model.set_topk_lora(values.get("top_k_lora"))
    tuned.base_model.set_global_scaling_weight(values.get("global_scaling_weight", 1.0))
    tuned.base_model.set_scaling_pass_value(values.get("scaling_pass_value", 0.0))
    gaps, unstable = common.float64_gaps(tuned, batch)
    tensors["train.losses"], after = common.train_steps(copy.deepcopy(tuned), batch)
    tensors |= {f"train.after.{name}": value for name, value in after.items()}
    (folder / "adapter").mkdir()
    weights = {n: p.detach().clone() for n, p in tuned.named_parameters() if "xlora" in n}
    save_file(weights, folder / "adapter" / "adapter_model.safetensors", metadata={"format": "pt"})
    common.write_tensors(folder / "io.safetensors", {canonical(name): value for name, value in tensors.items()})
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": note,
            "versions": common.versions(),
            "base": "llama_lora/base",
            "config": {"hidden_size": 16, **values},
            "tolerances": common.TOLERANCES,
            "float64Gaps": gaps,
            "unstableAfterSteps": [canonical(name) for name in unstable],
            "optimizer": common.OPTIMIZER,
            "trainableParameters": tuned.get_nb_trainable_parameters()[0],
        },
    )
    assert (tensors["adapter.logits"] - tensors["base.logits"]).abs().max() > 0.05
    assert (tensors["adapter.logits"] - tensors["changed.logits"]).abs().max() > 0.05
    assert gaps["logits"] < common.TOLERANCES["forward"] / 4, gaps
    assert gaps["gradient"] < common.TOLERANCES["gradient"] / 4, gaps


def bare_bert():
    base = common.loud(AutoModel.from_config(heads.config("bert", "base")), seed=51)  # that of the section features
    base.set_attn_implementation("eager")
    return base


def with_right_keys():
    """PEFT 0.21 takes every base model for one whose layers are below `model.`, and finds no place for the adapters of others."""
    load = xlora_model.set_peft_model_state_dict
    xlora_model.set_peft_model_state_dict = lambda model, weights, **options: load(
        model, {key.replace("model.model.", "model.", 1): value for key, value in weights.items()}, **options
    )


def write_features(folder):
    """Over a model without head: what it mixes, the hidden states, and gradients as in the section features."""
    experts = [
        {"r": 2, "lora_alpha": 5, "target_modules": ["query", "value"]},
        {"r": 3, "lora_alpha": 4, "target_modules": ["query", "intermediate.dense"]},
    ]
    paths = {}
    for number, expert in enumerate(experts):
        lora = get_peft_model(bare_bert(), LoraConfig(task_type="FEATURE_EXTRACTION", **expert))
        common.fill_trainable(lora, scale=0.3 + 0.1 * number)
        lora.save_pretrained(folder / "experts" / str(number))
        (folder / "experts" / str(number) / "README.md").unlink()
        paths[str(number)] = str(folder / "experts" / str(number))
    with_right_keys()
    values = {"xlora_depth": 2, "xlora_size": 6, "xlora_dropout_p": 0.0, "layerwise_scalings": True, "scaling_pass_value": 0.2}
    base = bare_bert()
    base.config.use_cache = False
    batch = heads.batches(base.config.pad_token_id, False)[0]
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tuned = get_peft_model(base, XLoraConfig(task_type="FEATURE_EXTRACTION", hidden_size=16, adapters=paths, **values)).eval()
    generator = torch.Generator().manual_seed(4)
    trained = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    for parameter in trained.values():
        parameter.data = (torch.rand(parameter.shape, generator=generator) - 0.5) * 2
    tensors |= {f"param.{n}": p.detach().clone() for n, p in trained.items()}
    hidden = tuned(**batch).last_hidden_state
    (hidden * torch.linspace(-1, 1, hidden.numel()).reshape(hidden.shape)).mean().backward()
    tensors |= {"hidden": hidden, "scalings": tuned.base_model.internal_xlora_scalings}
    tensors |= {f"grad.{n}": p.grad for n, p in trained.items()}
    with torch.no_grad():
        with rescale_adapter_scale(tuned, 0.4):
            tensors["rescaled"] = tuned(**batch).last_hidden_state
        with tuned.disable_adapter():
            tensors["disabled"] = tuned(**batch).last_hidden_state
    assert (tensors["hidden"] - tensors["disabled"]).abs().max() > 0.05
    common.write_tensors(folder / "io.safetensors", {canonical(name): value for name, value in tensors.items()})
    common.write_json(
        folder / "case.json",
        {"versions": common.versions(), "base": "features/base_bert", "config": {"hidden_size": 16, **values}, "tolerances": common.TOLERANCES},
    )


SECTIONS = {name: (lambda folder, name=name: write_case(folder, *CASES[name])) for name in CASES} | {"xlora_features": write_features}  # last: it changes PEFT
