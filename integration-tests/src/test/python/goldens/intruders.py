"""golden/intruders: reduce_intruder_dimension on a LoRA adapter."""

from peft import LoraConfig, get_peft_model
from peft.tuners.lora.intruders import reduce_intruder_dimension

from . import common
from .common import causal_batch

SETTINGS = {"top_k": 6, "threshold_epsilon": 0.42, "mitigation_lambda": 0.6}


def write_intruders(folder):
    batch = causal_batch()
    config = LoraConfig(r=4, lora_alpha=7, target_modules=["q_proj", "fc1"], rank_pattern={"fc1": 3}, task_type="CAUSAL_LM")
    model = get_peft_model(common.tiny_opt(), config).eval()
    common.fill_trainable(model, scale=0.5)
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    report = []
    reduce_intruder_dimension(model, **SETTINGS, logging_sink=report.append)
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["logits"] = common.logits_of(model, batch)
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "get_delta_weight"):
            tensors[f"delta.{name.removeprefix('base_model.model.')}"] = module.get_delta_weight("intruder_reduced")
    common.write_tensors(folder / "io.safetensors", tensors)
    report = [line.removeprefix("base_model.model.") for line in report[:-1]]
    facts = {"case": folder.name, "versions": common.versions(), "tolerances": common.TOLERANCES, "settings": SETTINGS, "report": report}
    common.write_json(folder / "case.json", facts)


SECTIONS = {"intruders": write_intruders}
