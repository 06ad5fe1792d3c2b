"""Parameter counts of the real OPT sizes, from hand-written configs on the meta device (no weights needed)."""

import contextlib
import io

import torch
from peft import LoraConfig, get_peft_config, get_peft_model
from transformers import OPTConfig, OPTForCausalLM

from . import common

MODELS = {
    "opt-125m": dict(vocab_size=50272, hidden_size=768, num_hidden_layers=12, ffn_dim=3072, num_attention_heads=12,
                     max_position_embeddings=2048, word_embed_proj_dim=768, do_layer_norm_before=True),
    "opt-350m": dict(vocab_size=50272, hidden_size=1024, num_hidden_layers=24, ffn_dim=4096, num_attention_heads=16,
                     max_position_embeddings=2048, word_embed_proj_dim=512, do_layer_norm_before=False),
}

CASES = [
    ("lora r16 q,v", dict(r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"])),
    ("lora r64 default targets", dict(r=64, lora_alpha=16)),
    ("lora r8 q,k + modules_to_save lm_head", dict(target_modules=["q_proj", "k_proj"], modules_to_save=["lm_head"])),
    ("lora r16 all-linear", dict(r=16, lora_alpha=32, target_modules="all-linear")),
]

PROMPTS = [
    dict(peft_type="PROMPT_TUNING", num_virtual_tokens=8),
    dict(peft_type="PREFIX_TUNING", num_virtual_tokens=30),
    dict(peft_type="PREFIX_TUNING", num_virtual_tokens=20, prefix_projection=True, encoder_hidden_size=512),
    dict(peft_type="P_TUNING", num_virtual_tokens=20, encoder_hidden_size=128),
    dict(peft_type="P_TUNING", num_virtual_tokens=20, encoder_hidden_size=128, encoder_reparameterization_type="LSTM"),
    dict(peft_type="MULTITASK_PROMPT_TUNING", num_virtual_tokens=50, num_tasks=3, num_ranks=2),
]


def build(settings):
    with torch.device("meta"):
        model = OPTForCausalLM(OPTConfig(**settings))
    model.tie_weights()
    return model


def write(path):
    models = {}
    for name, settings in MODELS.items():
        base = build(settings)
        rows = []
        for label, values in CASES:
            model = get_peft_model(build(settings), LoraConfig(task_type="CAUSAL_LM", **values))
            trainable, total = model.get_nb_trainable_parameters()
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                model.print_trainable_parameters()
            rows.append({"label": label, "config": values, "trainable": trainable, "all": total,
                         "printed": printed.getvalue().rstrip("\n")})
        prompts = []
        for values in PROMPTS:
            model = get_peft_model(build(settings), get_peft_config({"task_type": "CAUSAL_LM", **values}))
            trainable, total = model.get_nb_trainable_parameters()
            prompts.append({"config": values, "trainable": trainable, "all": total})
        models[name] = {
            "config": settings,
            "baseParameters": sum(p.numel() for p in base.parameters()),
            "lora": rows,
            "prompts": prompts,
        }
    large = models["opt-350m"]
    assert large["baseParameters"] == 331_196_416
    assert (large["lora"][0]["trainable"], large["lora"][0]["all"]) == (1_572_864, 332_769_280)
    common.write_json(path, {"versions": common.versions(), "models": models})


SECTIONS = {"counts.json": write}
