"""golden/neftune.json: losses and gradients of a forward pass with noise on the embeddings, as transformers makes it.

Rows {folder, kind, prompt, alpha, seed, input_ids, labels, loss, grads}: the model of another golden's folder in training mode, after
`torch.manual_seed(seed)`; `prompt`: virtual tokens of prompt tuning in front, [n][d], or null. `grads`: norms of some gradients.
"""

import peft
import torch
import transformers
from transformers.integrations.neftune import activate_neftune, deactivate_neftune

from . import common

GOLDEN = common.Path(__file__).parents[2] / "resources" / "golden"
CASES = [
    ("decoder_llama/base", "causal_lm", False, "lm_head.weight"),
    ("decoder_gemma3/base", "causal_lm", False, "model.layers.0.mlp.up_proj.weight"),
    ("decoder_llama/base", "causal_lm", True, None),
    ("heads_bert/sequence", "sequence", False, "classifier.weight"),
]


def row(index, folder, kind, prompted, name):
    auto = transformers.AutoModelForCausalLM if kind == "causal_lm" else transformers.AutoModelForSequenceClassification
    model = auto.from_pretrained(GOLDEN / folder, attn_implementation="eager")
    prompt = None
    if prompted:
        torch.manual_seed(3)
        model = peft.get_peft_model(model, peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
        table = model.prompt_encoder["default"].embedding.weight
        prompt = table.tolist()
        name = "prompt_encoder.default.embedding.weight"
    model.train()
    ids = torch.randint(4, 40, (2, 6), generator=torch.Generator().manual_seed(8))
    labels = ids if kind == "causal_lm" else torch.tensor([2, 0])
    alpha, seed = 3.5 + index, 70 + index
    hook = activate_neftune(model, alpha)
    torch.manual_seed(seed)
    loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
    loss.backward()
    deactivate_neftune(model, hook)
    gradient = dict(model.named_parameters())[name].grad
    return {
        "folder": folder, "kind": kind, "prompt": prompt, "alpha": alpha, "seed": seed, "input_ids": ids.tolist(),
        "labels": labels.tolist(), "loss": float(loss), "parameter": name, "gradient": gradient.flatten()[:40].tolist(),
    }


def write(path):
    common.write_json(path, [row(i, *case) for i, case in enumerate(CASES)])


SECTIONS = {"neftune.json": write}
