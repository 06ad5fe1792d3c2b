"""inject_adapter_in_model on a plain torch module: state dicts, activation, status, targets from a state dict."""

import dataclasses

import torch
from peft import LoraConfig, get_layer_status, get_model_status, get_peft_model_state_dict, inject_adapter_in_model
from peft.functional import delete_adapter, set_adapter, set_requires_grad

from . import common
from .custom_layers import CustomLayers


def trained(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def status(model):
    return {
        "layers": [dataclasses.asdict(layer) for layer in get_layer_status(model)],
        "model": dataclasses.asdict(get_model_status(model)),
    }


def write(folder):
    generator = torch.Generator().manual_seed(7)
    base = CustomLayers().eval()
    for parameter in base.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])
    tensors = {"in.input_ids": ids}
    tensors |= {f"base.{name}": value for name, value in base.state_dict().items()}
    facts = {}

    model = inject_adapter_in_model(LoraConfig(r=3, lora_alpha=7, target_modules=["emb", "lin"]), base)
    assert model is base
    common.fill_trainable(model)
    facts["first"] = {"trained": trained(model), "status": status(model)}
    tensors["first.output"] = model(ids).detach()
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=5, target_modules=["lin", "conv"]), base, "b")
    common.fill_trainable(model)
    facts["second"] = {"trained": trained(model), "status": status(model)}
    tensors["second.output"] = model(ids).detach()
    for name in ("default", "b"):
        state = get_peft_model_state_dict(model, adapter_name=name)
        tensors |= {f"state.{name}.{key}": value for key, value in state.items()}
    set_adapter(model, ["default", "b"])
    facts["both"] = {"trained": trained(model), "status": status(model)}
    tensors["both.output"] = model(ids).detach()
    set_requires_grad(model, ["default"], False)
    facts["b_trained"] = {"trained": trained(model), "status": status(model)}
    set_adapter(model, "default", inference_mode=True)
    facts["inference"] = {"trained": trained(model), "status": status(model)}
    model.lin.lora_A["default"].weight.requires_grad_(True)
    facts["irregular"] = {"trained": trained(model), "status": status(model)}
    delete_adapter(model, "default", prefix="lora_")
    facts["deleted"] = {"status": status(model)}

    other = CustomLayers()
    keys = {"lin.lora_A.weight": None, "lin.lora_B.weight": None, "conv.lora_A.weight": None}
    inject_adapter_in_model(
        LoraConfig(r=3, lora_alpha=7, target_modules=["emb", "lin"]), other, state_dict=keys, low_cpu_mem_usage=True
    )
    facts["by_state_dict"] = {"keys": list(keys), "trained": trained(other), "status": status(other)}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), **facts})


SECTIONS = {"injected": write}
