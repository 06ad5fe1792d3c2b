"""VB-LoRA: golden/tuner_vblora*."""

import torch
from peft import PeftModel, VBLoRAConfig, get_peft_model

from . import common, tuners


def vblora(note, **values):
    config = VBLoRAConfig(
        r=3, num_vectors=10, vector_length=4, topk=3, target_modules=["q_proj", "fc1"], task_type="CAUSAL_LM", **values
    )
    return tuners.case(config, note, scale=1.0)


def write_short(folder):
    """An adapter whose file holds only the mixtures, and what the model that is loaded from it gives."""
    case = vblora("", save_only_topk_weights=True)
    batch = common.causal_batch()
    torch.manual_seed(1)
    tuned = get_peft_model(case["model"](), case["config"]).eval()
    common.fill_trainable(tuned, scale=1.0)
    tuned.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    loaded = PeftModel.from_pretrained(case["model"](), folder / "adapter").eval()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    common.write_tensors(folder / "io.safetensors", tensors | {"adapter.logits": common.logits_of(loaded, batch)})


SECTIONS = tuners.sections({"vblora": vblora("all logits in the file")}) | {"vblora_short": write_short}
