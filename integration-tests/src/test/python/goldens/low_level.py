"""KappaTune's choices, base state dicts under adapters, LoftQ for weights that are quantized already."""

import torch
from peft import (
    IA3Config,
    LoraConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_base_model_state_dict,
    get_peft_model,
)
from peft.helpers import KappaTuneSelector, find_kappa_target_modules
from peft.utils.loftq_utils import _low_rank_decomposition
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from . import common
from .qlora import BNB, unpack
from .target_parameters import ExpertsModel

GOLDEN = BNB.parent
SUFFIXES = (".gate_up", ".down", ".inner")


def kappa(target):
    llama = AutoModelForCausalLM.from_pretrained(GOLDEN / "decoder_llama" / "base")
    experts = ExpertsModel()
    experts.load_state_dict(load_file(GOLDEN / "target_parameters" / "base" / "model.safetensors"))
    of_llama = KappaTuneSelector(llama, show_progress=False)
    of_experts = KappaTuneSelector(experts, moe_param_suffixes=SUFFIXES, show_progress=False)
    common.write_json(
        target,
        {
            "note": "condition numbers by name, smallest first; top: find_kappa_target_modules",
            "versions": common.versions(),
            "llama": {name: of_llama._condition_numbers[name] for name in of_llama.get_best_targets()},
            "llamaTop": find_kappa_target_modules(llama, top_p=0.3, show_progress=False)["target_modules"],
            "experts": {name: of_experts._condition_numbers[name] for name in of_experts.get_best_targets()},
            "expertsParameters": {
                name: of_experts._parameter_condition_numbers[name] for name in of_experts.get_best_target_parameters()
            },
            "expertsTop": of_experts.get_best_target_parameters(top_p=0.5),
        },
    )


def base_state(target):
    configs = {
        "lora": LoraConfig(r=3, target_modules=["q_proj", "embed_tokens"], modules_to_save=["lm_head", "final_layer_norm"]),
        "tokens": LoraConfig(r=3, target_modules=["fc1"], trainable_token_indices=[1, 4]),
        "ia3": IA3Config(target_modules=["k_proj", "fc2"], feedforward_modules=["fc2"]),
        "prompt": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        "prefix": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    }
    keys = {}
    for name, config in configs.items():
        base = AutoModelForCausalLM.from_pretrained(GOLDEN / "cpt_opt" / "base")
        model = get_peft_model(base, config)
        if name == "lora":
            model.add_adapter("b", LoraConfig(r=2, target_modules=["q_proj", "fc1"]))
        keys[name] = sorted(get_base_model_state_dict(model))
    common.write_json(target, {"versions": common.versions(), "keys": keys})


def loftq(target):
    """B A of each layer: what replace_lora_weights_loftq gives, without the signs of singular vectors."""
    dense = load_file(BNB / "base_bf16" / "model.safetensors")
    packed = load_file(BNB / "nf4" / "model.safetensors")
    tensors = {}
    for key in packed:
        if key.endswith("q_proj.weight") or key.endswith("down_proj.weight"):
            name = key.removesuffix(".weight")
            lost = dense[key].float() - unpack(packed, name)[0]
            parts = _low_rank_decomposition(lost, reduced_rank=3)
            tensors[f"{name}.product"] = parts["L"] @ parts["R"]
            tensors[f"{name}.gram"] = parts["R"] @ parts["R"].T  # diagonal: the singular values
    assert len(tensors) == 4, sorted(tensors)
    common.write_tensors(target / "io.safetensors", tensors)


SECTIONS = {"kappa.json": kappa, "base_state.json": base_state, "loftq_replaced": loftq}
