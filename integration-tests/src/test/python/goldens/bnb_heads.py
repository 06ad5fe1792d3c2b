"""A text classifier as transformers quantizes it with bitsandbytes, its head too.

Needs bitsandbytes (0.50.2.dev0, its CPU library built from its sources); without it there are no sections here.
"""

import importlib.util
import tempfile

import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BitsAndBytesConfig

from . import common


def classifier(folder):
    torch.manual_seed(7)
    config = BertConfig(vocab_size=48, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4,
                        max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=3)
    dense = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                  bnb_4bit_compute_dtype=torch.float32)
    with tempfile.TemporaryDirectory() as source:
        dense.save_pretrained(source)
        model = AutoModelForSequenceClassification.from_pretrained(source, quantization_config=settings, device_map={"": "cpu"})
    model.save_pretrained(folder / "packed")
    input_ids, labels = torch.randint(3, 48, (2, 9)), torch.tensor([2, 0])
    with torch.no_grad():
        out = model.train()(input_ids=input_ids, labels=labels)
    common.write_tensors(folder / "io.safetensors",
                {"in.input_ids": input_ids, "in.labels": labels, "base.logits": out.logits, "base.loss": out.loss})


SECTIONS = {"bnb_bert": classifier} if importlib.util.find_spec("bitsandbytes") else {}
