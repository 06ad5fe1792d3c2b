"""get_layer_status and get_model_status where adapters have copies of modules, and where parameters disagree."""

from peft import get_peft_model

from . import common
from .lora_opt import lora
from .multi_adapter import status


def write(target):
    model = get_peft_model(
        common.tiny_opt(tie_word_embeddings=False),
        lora(r=3, lora_alpha=7, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    )
    rows = {"first": status(model)}
    model.add_adapter("b", lora(r=2, lora_alpha=5, target_modules=["v_proj"]))
    rows["second"] = status(model)
    model.set_adapter("b")
    rows["b_active"] = status(model)
    model.set_adapter("default")
    layers = model.base_model.model.model.decoder.layers
    layers[0].self_attn.q_proj.lora_A["default"].weight.requires_grad_(False)
    rows["irregular_layer"] = status(model)
    layers[0].self_attn.q_proj.lora_B["default"].weight.requires_grad_(False)
    rows["irregular_model"] = status(model)
    model.set_requires_grad("default", False)
    rows["frozen"] = status(model)
    model.set_requires_grad(["default", "b"], True)
    rows["both_trained"] = status(model)
    model.set_adapter("b", inference_mode=True)
    rows["inference"] = status(model)
    common.write_json(target, {"versions": common.versions(), "rows": rows})


SECTIONS = {"status.json": write}
