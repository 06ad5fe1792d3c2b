"""ShadowPEFT beyond golden/tuner_shadow*: every decoder, text classifiers, shadow models of their own, the shadow alone."""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from peft import PeftModel, ShadowConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaModel

from . import common, decoders, heads
from .field_table import value
from .lora_decoders import TOKENS, tiny_llama

CAUSAL = {"task_type": "CAUSAL_LM"}
FAMILIES = ["llama", "llama_tied", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gpt2", "phi", "phi3", "bloom"]
FAMILIES += ["gpt_neox", "gptj", "granite", "starcoder2"]
SIZED = {"shadow_num_hidden_layers": 4, "shadow_hidden_size": 24, "shadow_num_attention_heads": 2, "shadow_intermediate_size": 20}


def fill(tuned):
    """Every trained parameter has the values of its name."""
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            parameter.data = value(name, tuple(parameter.shape))
    return tuned.eval()


def generate(tuned, left, **settings):
    settings = dict(max_new_tokens=6, do_sample=False, pad_token_id=common.PAD, eos_token_id=None) | settings
    tuned.generation_config.eos_token_id = None
    return tuned.generate(**left, generation_config=transformers.GenerationConfig(**settings))


def losses(tuned, batch, prefix, tensors):
    output = tuned(**batch)
    tensors[f"{prefix}.loss"] = output.loss
    tensors[f"{prefix}.shadow_loss"] = tuned.base_model.last_shadow_loss
    tensors[f"{prefix}.logits"] = output.logits
    return output


def write_families(folder):
    right, left = decoders.batches()
    tensors = {f"in.{name}": x for name, x in right.items()} | {f"left.{name}": x for name, x in left.items()}
    rows = {}
    for name in FAMILIES:
        for kind in ("plain", "sized"):
            sizes = {key: x for key, x in SIZED.items() if name != "bloom" or "intermediate" not in key} if kind == "sized" else {}
            config = ShadowConfig(r=2, shadow_alpha=0.8, auxiliary_loss_weight=0.3, **sizes, **CAUSAL)
            tuned = fill(get_peft_model(decoders.build(name), config))
            row = f"{name}.{kind}"
            losses(tuned, right, row, tensors)
            if kind == "plain":
                tensors[f"{row}.greedy"] = generate(tuned, left)
                tensors[f"{row}.beams"] = generate(tuned, left, num_beams=3)
            trained = {n: list(p.shape) for n, p in tuned.named_parameters() if p.requires_grad}
            rows[row] = {"base": f"decoder_{name}/base", "sizes": sizes, "trained": trained}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"case": folder.name, "versions": common.versions(), "rows": rows})


def write_texts(folder):
    """Classifiers: the shadow has a head of its own beside the one that is trained in full."""
    right, _ = heads.batches(heads.ARCHITECTURES["llama"][2], False)
    tensors = {f"in.{name}": x for name, x in right.items()}
    for head, (_, problem, labels) in {"sequence": heads.LOSSES["sequence"], "regression": heads.LOSSES["regression"]}.items():
        base = AutoModelForSequenceClassification.from_pretrained(folder.parent / "heads_llama" / head, attn_implementation="eager")
        base.name_or_path = base.config.name_or_path = ""
        config = ShadowConfig(r=2, shadow_alpha=0.8, auxiliary_loss_weight=0.4, task_type="SEQ_CLS")
        tuned = get_peft_model(base, config)
        tensors[f"{head}.fresh.head"] = tuned.base_model.shadow_head["default"].weight.detach().clone()
        fill(tuned)
        tuned.save_pretrained(folder / head)
        (folder / head / "README.md").unlink()
        batch = right | {"labels": labels}
        tensors[f"{head}.labels"] = labels
        losses(tuned, batch, head, tensors)
        _, grads = common.gradients_of(tuned, batch)
        tensors |= {f"{head}.grad.{n}": g for n, g in grads.items() if "layers.1.shadow_update" not in n}
        del problem
    common.write_tensors(folder / "io.safetensors", tensors)


def other_shadow():
    sizes = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=1, max_position_embeddings=32)
    return common.loud(LlamaModel(LlamaConfig(num_attention_heads=2, num_key_value_heads=1, **sizes, **TOKENS)), seed=21)


def write_own(folder):
    """Shadow models of their own: plain/ is a model, projected/ one with a map to the base's hidden states."""
    small = other_shadow()
    small.save_pretrained(folder / "plain")
    projected = folder / "projected"
    projected.mkdir(parents=True)
    inner = json.loads((folder / "plain" / "config.json").read_text())
    (projected / "config.json").write_text(
        json.dumps({"model_type": "causal_lm_with_hidden_projection", "shadow_model_config": inner}, indent=1) + "\n"
    )
    weights = {f"shadow_model.{name}": x.contiguous() for name, x in small.state_dict().items()}
    weights["shadow_hidden_projection.weight"] = value("projection", (16, 8))
    save_file(weights, str(projected / "model.safetensors"))
    batch, left = common.causal_batch(), common.left_padded_batch()
    tensors = {f"in.{name}": x for name, x in batch.items()} | {f"left.{name}": x for name, x in left.items()}
    for kind in ("plain", "projected"):
        config = ShadowConfig(r=3, shadow_alpha=0.8, auxiliary_loss_weight=0.3, init_weights=False, shadow_model=str(folder / kind), **CAUSAL)
        tuned = get_peft_model(tiny_llama(), config).eval()
        fresh = {n: p.clone() for n, p in tuned.named_parameters() if "shadow_backbone" in n or ("projection" in n and kind == "projected")}
        tensors |= {f"{kind}.fresh.{n}": p for n, p in fresh.items()}
        fill(tuned)
        tuned.save_pretrained(folder / f"{kind}_adapter")
        (folder / f"{kind}_adapter" / "README.md").unlink()
        losses(tuned, batch, kind, tensors)
        tensors[f"{kind}.gen.ids"] = generate(tuned, left)
        _, grads = common.gradients_of(tuned, batch)
        tensors |= {f"{kind}.grad.{n}": g for n, g in grads.items() if "layers.1.shadow_update" not in n}
        path = folder / f"{kind}_adapter" / "adapter_config.json"
        path.write_text(path.read_text().replace(str(folder / kind), kind))
    common.write_tensors(folder / "io.safetensors", tensors)


def write_alone(folder):
    """`unload_shadow` of tuner_shadow_llama (own token vectors) and of tuner_shadow (the base's), and what it saves."""
    batch, left = common.causal_batch(), common.left_padded_batch()
    tensors = {f"in.{name}": x for name, x in batch.items()} | {f"left.{name}": x for name, x in left.items()}
    for name, model in {"tuner_shadow": common.tiny_opt, "tuner_shadow_llama": tiny_llama}.items():
        tuned = PeftModel.from_pretrained(model(), folder.parent / name / "adapter").eval()
        for copy in (False, True):
            alone = tuned.unload_shadow(copy=copy).eval()
            output = alone(**batch)
            tensors[f"{name}.logits"], tensors[f"{name}.loss"] = output.logits, output.loss
            tensors[f"{name}.gen.ids"] = generate(alone, left)
        with tempfile.TemporaryDirectory() as saved:
            alone.save_pretrained(saved)
            files = sorted(path.name for path in Path(saved).iterdir())
            config = json.loads((Path(saved) / "config.json").read_text())
            shapes = {key: list(x.shape) for key, x in load_file(Path(saved) / "model.safetensors").items()}
        common.write_json(folder / f"{name}.json", {"files": files, "config": config, "shapes": dict(sorted(shapes.items()))})
    for head in ("sequence", "regression"):
        base = AutoModelForSequenceClassification.from_pretrained(folder.parent / "heads_llama" / head, attn_implementation="eager")
        tuned = PeftModel.from_pretrained(base, folder.parent / "shadow_texts" / head).eval()
        texts = load_file(folder.parent / "shadow_texts" / "io.safetensors")
        batch = {"input_ids": texts["in.input_ids"], "attention_mask": texts["in.attention_mask"], "labels": texts[f"{head}.labels"]}
        output = tuned.unload_shadow()(**batch)
        tensors[f"{head}.logits"], tensors[f"{head}.loss"] = output.logits, output.loss
    common.write_tensors(folder / "io.safetensors", tensors)


SECTIONS = {"shadow_families": write_families, "shadow_texts": write_texts, "shadow_own": write_own, "shadow_alone": write_alone}
