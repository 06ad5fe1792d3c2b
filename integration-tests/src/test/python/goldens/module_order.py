"""golden/module_order.json: the linear layers of a model of each architecture, in the order in which PEFT meets them.

Methods that number layers (TinyLoRA, Uni-LoRA, Lily) depend on it.
"""

import transformers
from torch import nn
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

from . import common

BASES = [
    *(f"decoder_{name}" for name in "bloom gemma2 gemma3 gpt2 llama mistral phi3 qwen2 qwen3".split()),
    "opt_lora",
    "opt350_lora",
    "bert_lora",
    "prefix_roberta_sequence",
    "prompt_distilbert_sequence",
    "prefix_t5",
    "poly_t5",
]


def write(path):
    result = {}
    for name in BASES:
        config = AutoConfig.from_pretrained(path.parent / name / "base")
        model = getattr(transformers, config.architectures[0])(config)
        result[name] = [key for key, module in model.named_modules() if isinstance(module, (nn.Linear, Conv1D))]
    common.write_json(path, result)


SECTIONS = {"module_order.json": write}
