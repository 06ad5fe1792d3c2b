"""Batches whose rows have different adapters (`adapter_names`): logits, and greedy and beam generation."""

import torch
from peft import get_peft_model
from transformers import GenerationConfig, T5Config

from . import common
from .lora_decoders import tiny_llama
from .lora_opt import lora
from .t5 import EOS, PAD, START, tiny

ROWS = ["b", "__base__", "default", "b", "default", "__base__"]

NOTE = (
    "llama: adapter 'default' (r 4, alpha 10) over q, k, down and the token embeddings; 'b' (r 3, alpha 5) over q, up and "
    "down; both with a full copy of lm_head. t5: 'default' (q, v) and 'b' (q, k, wo). One adapter per row; with beams the names "
    "are repeated for the decoder, not for the encoder."
)


def adapters(base, first, second, folder):
    """The model with both adapters, filled and saved."""
    base.name_or_path = base.config.name_or_path = ""
    torch.manual_seed(1)
    model = get_peft_model(base, first).eval()
    model.add_adapter("b", second)
    for adapter in ("default", "b"):
        model.set_adapter(adapter)
        common.fill_trainable(model)
    model.set_adapter("default")
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    return model.eval()


def repeated(batch, rows):
    return {name: value.repeat(rows // value.shape[0], 1) for name, value in batch.items()}


def searches(model, batch, tokens, names):
    """Greedy and beam ids, whose choices are clear."""
    settings = dict(max_new_tokens=6, do_sample=False, eos_token_id=None, **tokens)
    model.generation_config.eos_token_id = None
    result = {}
    for label, beams in (("greedy", 1), ("beams", 3)):
        config = GenerationConfig(num_beams=beams, num_return_sequences=1, **settings)
        extra = {"num_beams": beams} if beams > 1 else {}
        result[f"{label}.ids"] = model.generate(**batch, generation_config=config, adapter_names=names, **extra)
    return result


def write_llama(folder):
    targets = ["q_proj", "k_proj", "down_proj", "embed_tokens"]
    head = {"modules_to_save": ["lm_head"]}  # of both: PEFT fails on rows whose adapter has no copy
    first = lora(target_modules=targets, **head)
    second = lora(r=3, lora_alpha=5, target_modules=["q_proj", "up_proj", "down_proj"], **head)
    model = adapters(tiny_llama(), first, second, folder / "llama")
    batch = repeated(common.left_padded_batch(), len(ROWS))
    tensors = {f"llama.in.{name}": value for name, value in batch.items()}
    with torch.no_grad():
        tensors["llama.logits"] = model(**batch, adapter_names=ROWS).logits
        for adapter in ("default", "b"):
            model.set_adapter(adapter)
            tensors[f"llama.{adapter}.logits"] = model(**batch).logits
    found = searches(model, batch, {"pad_token_id": common.PAD}, ROWS)
    return tensors | {f"llama.{name}": value for name, value in found.items()}


def write_t5(folder):
    base = tiny(folder / "t5_base", T5Config, {"num_layers": 2, "num_decoder_layers": 2})
    first = lora(target_modules=["q", "v"])
    second = lora(r=3, lora_alpha=5, target_modules=["q", "k", "wo"])
    first.task_type = second.task_type = "SEQ_2_SEQ_LM"
    model = adapters(base, first, second, folder / "t5")
    ids = torch.tensor([[5, 6, 17, 8, 29, 31, EOS], [9, 33, 4, EOS, PAD, PAD, PAD], [21, 7, 35, 12, 3, EOS, PAD]])
    batch = repeated({"input_ids": ids, "attention_mask": (ids != PAD).long()}, len(ROWS))
    labels = torch.tensor([[12, 7, 3, 25, EOS]]).repeat(len(ROWS), 1)
    tensors = {f"t5.in.{name}": value for name, value in batch.items()} | {"t5.in.labels": labels}
    with torch.no_grad():
        tensors["t5.logits"] = model(**batch, labels=labels, adapter_names=ROWS).logits
    found = searches(model, batch, {"pad_token_id": PAD, "decoder_start_token_id": START}, ROWS)
    return tensors | {f"t5.{name}": value for name, value in found.items()}


def write(folder):
    tensors = write_llama(folder) | write_t5(folder)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {"case": folder.name, "note": NOTE, "versions": common.versions(), "base": "llama_lora/base", "adapterNames": ROWS},
    )


SECTIONS = {"mixed_batches": write}
