"""PeftModelForFeatureExtraction: adapters of models without head, whose output is the hidden states."""

import torch
from peft import LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from transformers import AutoModel

from . import common, heads

TASK = {"task_type": "FEATURE_EXTRACTION"}
CASES = {
    "lora_bert": ("bert", LoraConfig(r=3, lora_alpha=7, target_modules=["query", "value"], **TASK)),
    "prompt_bert": ("bert", PromptTuningConfig(num_virtual_tokens=3, **TASK)),
    "ptuning_bert": ("bert", PromptEncoderConfig(num_virtual_tokens=3, **TASK)),
    "prefix_bert": ("bert", PrefixTuningConfig(num_virtual_tokens=3, **TASK)),
    "prompt_llama": ("llama", PromptTuningConfig(num_virtual_tokens=3, **TASK)),
    "prefix_llama": ("llama", PrefixTuningConfig(num_virtual_tokens=3, **TASK)),
}


def write(folder):
    tensors, facts = {}, {}
    for name, (architecture, config) in CASES.items():
        base = common.loud(AutoModel.from_config(heads.config(architecture, "base")), seed=51)
        base.set_attn_implementation("eager")
        base.save_pretrained(folder / f"base_{architecture}")
        batch = heads.batches(base.config.pad_token_id, False)[0]
        tensors |= {f"{architecture}.in.{key}": value for key, value in batch.items()}
        torch.manual_seed(1)
        model = get_peft_model(base, config).eval()
        common.fill_trainable(model)
        model.save_pretrained(folder / name)
        (folder / name / "README.md").unlink()
        output = model(**batch)
        tensors[f"{name}.hidden"] = output.last_hidden_state
        target = torch.linspace(-1, 1, output.last_hidden_state.numel()).reshape(output.last_hidden_state.shape)
        (output.last_hidden_state * target).mean().backward()
        tensors |= {f"{name}.grad.{key}": p.grad for key, p in model.named_parameters() if p.grad is not None}
        facts[name] = {
            "architecture": architecture,
            "peftClass": type(model).__name__,
            "trainable": model.get_nb_trainable_parameters()[0],
            "total": model.get_nb_trainable_parameters()[1],
        }
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "note": "the loss is the mean of hidden states times a line from -1 to 1 over all of them",
            "versions": common.versions(),
            "cases": facts,
        },
    )


SECTIONS = {"features": write}
