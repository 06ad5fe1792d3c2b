"""get/set_peft_model_state_dict, key_mapping, casts: what keys, results and types PEFT gives."""

import tempfile
from pathlib import Path

import torch
from peft import (
    cast_mixed_precision_params,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from peft.utils import load_peft_weights

from . import common
from .lora_opt import lora

MAPPINGS = [
    {"^model\\.decoder": "model.text.decoder"},
    {"nothing": "x", "layers\\.(\\d+)\\.": "blocks.\\1.", "decoder": "never"},
    {"(?P<layer_no>\\d+)\\.self_attn\\.(q|v)_proj": "\\g<layer_no>.attention.\\2"},
    {"\\.": "/"},
    {"lora_([AB])": "down_\\g<1>0"},
    {"model\\.decoder\\.": ""},
]


def write(target):
    from safetensors.torch import save_file

    keys = [
        "base_model.model.model.decoder.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.decoder.layers.11.self_attn.v_proj.lora_B.weight",
        "base_model.model.lm_head.weight",
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tensors = {key: torch.tensor([float(i)]) for i, key in enumerate(keys)}
        save_file(tensors, str(Path(folder) / "adapter_model.safetensors"))
        for mapping in MAPPINGS:
            mapped = load_peft_weights(folder, device="cpu", key_mapping=mapping)
            by_value = {int(value): key for key, value in mapped.items()}
            rows.append({"mapping": mapping, "result": [by_value[i] for i in range(len(keys))]})

    model = get_peft_model(
        common.tiny_opt(tie_word_embeddings=False),
        lora(r=3, lora_alpha=7, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"]),
    )
    model.add_adapter("b", lora(r=2, lora_alpha=7, target_modules=["fc1", "embed_tokens"]))
    state = {name: sorted(get_peft_model_state_dict(model, adapter_name=name)) for name in ("default", "b")}
    state["b_without_embeddings"] = sorted(
        get_peft_model_state_dict(model, adapter_name="b", save_embedding_layers=False)
    )
    state["default_with_embeddings"] = sorted(get_peft_model_state_dict(model, save_embedding_layers=True))

    values = dict(get_peft_model_state_dict(model))
    first = next(iter(values))
    del values[first]
    values["base_model.model.other.weight"] = torch.zeros(1)
    wrong = next(key for key in values if key.endswith("lora_B.weight"))
    values[wrong] = torch.zeros(5, 5)
    result = set_peft_model_state_dict(model, values, ignore_mismatched_sizes=True)
    own = [key for key in result.missing_keys if "lora_" in key and ".default." in key]

    dtypes = {}
    cast_mixed_precision_params(model, torch.bfloat16)
    dtypes["mixed_precision"] = types(model)
    for autocast in (True, False):
        half = common.tiny_opt().to(torch.bfloat16)
        adapted = get_peft_model(half, lora(r=3, target_modules=["q_proj"], modules_to_save=["fc2"]), autocast_adapter_dtype=autocast)
        dtypes[f"autocast_{str(autocast).lower()}"] = types(adapted)
    common.write_json(
        target,
        {
            "note": "key_mapping: keys of a file after load_peft_weights; set: missing keys are those of the adapter "
            "with its name in them; dtypes: of every parameter that is trained, and the set of the others",
            "versions": common.versions(),
            "keys": keys,
            "mappings": rows,
            "state": state,
            "set": {"removed": first, "resized": wrong, "missing": own, "unexpected": result.unexpected_keys},
            "dtypes": dtypes,
        },
    )


def types(model):
    named = dict(model.named_parameters())
    return {
        "trained": {name: str(p.dtype).removeprefix("torch.") for name, p in named.items() if p.requires_grad},
        "others": sorted({str(p.dtype).removeprefix("torch.") for p in named.values() if not p.requires_grad}),
    }


SECTIONS = {"state_dicts.json": write}
