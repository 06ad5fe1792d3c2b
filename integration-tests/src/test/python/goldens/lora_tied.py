"""ensure_weight_tying: golden/lora_tied (one adapter for table and head), golden/lora_saved_tied (one full copy)."""

import zlib

import torch
from peft import LoraConfig, get_peft_model

from . import common, field_table, tuners

LORA = {"r": 3, "lora_alpha": 7, "ensure_weight_tying": True, "task_type": "CAUSAL_LM"}
TABLE = "base_model.model.model.decoder.embed_tokens.lora_embedding_"
HEAD = "base_model.model.lm_head.lora_"


def fill(model):
    """In place: the head's matrices are the table's memory."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "lm_head" not in name:
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + 3)
            parameter.data.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * 0.3)


def write(folder):
    """Gradients of the head's matrices are added to the table's: PEFT trains them as two parameters over one memory."""
    batch = common.causal_batch()
    torch.manual_seed(1)
    model = get_peft_model(common.tiny_opt(), LoraConfig(target_modules=["q_proj", "lm_head"], **LORA)).eval()
    fill(model)
    values = dict(model.named_parameters())
    assert values[HEAD + "A.default.weight"].data_ptr() == values[TABLE + "B.default"].data_ptr()
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["adapter.logits"] = common.logits_of(model, batch)
    tensors["adapter.loss"], grads = common.gradients_of(model, batch)
    grads[TABLE + "A.default"] += grads.pop(HEAD + "B.default.weight").T
    grads[TABLE + "B.default"] += grads.pop(HEAD + "A.default.weight").T
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    common.write_tensors(folder / "io.safetensors", tensors)


T5_CASES = {
    "head": {"target_modules": ["q", "lm_head"]},
    "tokens": {"target_modules": ["q"], "trainable_token_indices": [5, 9, 17]},
}


def write_t5(folder):
    """On T5, whose table, encoder, decoder and head are four modules with one weight. With LoRA, PEFT ties only the head; with
    modules_to_save it puts a copy of the head where tables were, and fails."""
    batch = field_table.t5_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    for case, values in T5_CASES.items():
        base = field_table.tiny_t5()
        base.name_or_path = base.config.name_or_path = ""
        model = get_peft_model(base, LoraConfig(**LORA | {"task_type": "SEQ_2_SEQ_LM"} | values)).eval()
        fill(model)
        model.save_pretrained(folder / case)
        (folder / case / "README.md").unlink()
        tensors[f"{case}.logits"] = common.logits_of(model, batch)
        _, grads = common.gradients_of(model, batch)
        if case == "head":
            shared = "base_model.model.shared.lora_embedding_"
            grads[shared + "A.default"] += grads.pop(HEAD + "B.default.weight").T
            grads[shared + "B.default"] += grads.pop(HEAD + "A.default.weight").T
        tensors |= {f"{case}.grad.{name}": value for name, value in grads.items()}
    common.write_tensors(folder / "io.safetensors", tensors)


SAVED = tuners.case(
    LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"], **LORA), "one full copy for table and head"
)

# Not a tuner_*: the copy has the base's type, the adapter its own.
SECTIONS = {
    "lora_tied": write,
    "lora_tied_t5": write_t5,
    "lora_saved_tied": lambda folder: tuners.write_case(folder, **SAVED),
}
