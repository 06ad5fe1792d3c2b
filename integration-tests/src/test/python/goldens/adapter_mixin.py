"""LoRA adapters on plain transformers models, without a PeftModel around them: `add_adapter`, `save_pretrained`."""

import tempfile

import torch
from peft import LoraConfig
from transformers import AutoModel, AutoModelForCausalLM

from . import common

NOTE = (
    "The base model is that of opt_lora. add_adapter('default': r 4, alpha 10, q_proj v_proj), then 'b' (r 3, alpha 5, "
    "q_proj out_proj). default/ and b/ are what save_pretrained of the model wrote while each acted alone; "
    "base_model_name_or_path is replaced by 'BASE'."
)


def write(folder):
    batch = common.causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    with tempfile.TemporaryDirectory() as base:
        common.tiny_opt().save_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base)
        facts = {"activeAfterAdd": {}, "trainable": {}, "stateDict": {}}
        configs = {
            "default": LoraConfig(r=4, lora_alpha=10, target_modules=["q_proj", "v_proj"]),
            "b": LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "out_proj"]),
        }
        for name, config in configs.items():
            model.add_adapter(config, name)
            facts["activeAfterAdd"][name] = model.active_adapters()
            common.fill_trainable(model)
            facts["trainable"][name] = [n for n, p in model.named_parameters() if p.requires_grad]
            facts["stateDict"][name] = list(model.get_adapter_state_dict())
            model.save_pretrained(folder / name)
            config_file = folder / name / "adapter_config.json"
            config_file.write_text(config_file.read_text().replace(base, "BASE"))
            tensors[f"{name}.logits"] = common.logits_of(model, batch)
            tensors[f"{name}.loss"], grads = common.gradients_of(model, batch)
            tensors |= {f"{name}.grad.{n}": value for n, value in grads.items()}
        model.set_adapter(["default", "b"])
        tensors["both.logits"] = common.logits_of(model, batch)
        model.disable_adapters()
        tensors["disabled.logits"] = common.logits_of(model, batch)
        model.enable_adapters()
        model.set_adapter("b")
        tensors["b.train.losses"], after = common.train_steps(model, batch)
        tensors |= {f"b.train.after.{n}": value for n, value in after.items()}

        bare = AutoModel.from_pretrained(base)
        bare.load_adapter(str(folder / "default"))
        with torch.no_grad():
            inputs = {n: v for n, v in batch.items() if n != "labels"}
            tensors["bare.last_hidden_state"] = bare.eval()(**inputs).last_hidden_state
        facts["stateDict"]["bare"] = list(bare.get_adapter_state_dict())

    common.write_tensors(folder / "io.safetensors", tensors)
    facts["savedFiles"] = sorted(f.name for f in (folder / "default").iterdir())
    header = {"case": folder.name, "note": NOTE, "versions": common.versions(), "tolerances": common.TOLERANCES}
    common.write_json(folder / "case.json", header | {"optimizer": common.OPTIMIZER} | facts)


SECTIONS = {"adapter_mixin": write}
