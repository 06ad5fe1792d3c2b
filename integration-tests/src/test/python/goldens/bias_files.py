"""An adapter of RoBERTa's text classifier with bias="all", whose file has the biases of the head under other names too."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

from . import common, heads


def write(folder):
    model = getattr(heads.transformers, "RobertaForSequenceClassification")(heads.config("roberta", "sequence"))
    base = common.loud(model)
    base.save_pretrained(folder / "base")
    base.name_or_path = base.config.name_or_path = ""
    config = LoraConfig(r=3, lora_alpha=5, target_modules=["query", "dense"], bias="all", task_type="SEQ_CLS")
    tuned = get_peft_model(base, config).eval()
    common.fill_trainable(tuned)
    tuned.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    ids = torch.tensor([[0, 5, 6, 17, 8, 2], [0, 9, 33, 4, 11, 2]])
    logits = common.logits_of(tuned, {"input_ids": ids})
    common.write_tensors(folder / "io.safetensors", {"input_ids": ids, "logits": logits})


SECTIONS = {"roberta_bias_all": write}
