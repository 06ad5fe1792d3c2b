"""Encoders and T5, with their heads, in bfloat16 and float16: outputs, loss, and the gradients of a LoRA step.

The models are those of the sections heads_*, t5_* and t5_heads, loaded with `dtype`. Rounding makes every number
uncertain; so the same is computed in float64 from the rounded weights, and what counts is the distance from that.
"""

import copy

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model

from . import common, heads, t5, t5_heads

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

AUTO = {
    "base": "AutoModel",
    "masked_lm": "AutoModelForMaskedLM",
    "sequence": "AutoModelForSequenceClassification",
    "token": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "seq2seq": "AutoModelForSeq2SeqLM",
}
TASKS = {
    "base": "FEATURE_EXTRACTION",
    "masked_lm": None,
    "sequence": "SEQ_CLS",
    "token": "TOKEN_CLS",
    "span": "QUESTION_ANS",
    "seq2seq": "SEQ_2_SEQ_LM",
}
BERT_TARGETS = ["query", "intermediate.dense"]
TARGETS = {
    "bert": BERT_TARGETS,
    "roberta": BERT_TARGETS,
    "distilbert": ["v_lin", "lin2"],
    "t5": ["q", "wo"],
}
ENCODERS = {
    "bert": ("base", "masked_lm", "sequence", "token", "span"),
    "roberta": ("masked_lm", "sequence"),
    "distilbert": ("base", "masked_lm", "sequence", "span"),
}
T5_MODELS = ("t5_v10", "t5_v11", "t5_mt5")
OUTPUTS = ("logits", "start_logits", "end_logits", "last_hidden_state")


def cases():
    """name -> (folder below the goldens, head, targets, batch)."""
    found = {}
    for architecture, kinds in ENCODERS.items():
        _, _, pad, token_types, _, _ = heads.ARCHITECTURES[architecture]
        for head in kinds:
            # PEFT forgets token types where it answers questions
            right, _ = heads.batches(pad, token_types and head != "span")
            labels = heads.targets(heads.LOSSES[head][2]) if head != "base" else {}
            found[f"{architecture}_{head}"] = (f"heads_{architecture}/{head}", head, architecture, right | labels)
    train, _, _ = t5.batches()
    for name in T5_MODELS:
        found[name] = (f"{name}/model", "seq2seq", "t5", train)
    source = {name: train[name] for name in ("input_ids", "attention_mask")}
    for head, labels in t5_heads.LABELS.items():
        batch = source | {name: torch.tensor(value) for name, value in labels.items()}
        found[f"t5_{head}"] = (f"t5_heads/{head}", head, "t5", batch)
    return found


def write(folder):
    tensors, facts = {}, {}
    for name, (source, head, architecture, batch) in cases().items():
        path = str(folder.parent / source)
        auto = getattr(transformers, AUTO[head])
        make_adapter(auto.from_pretrained(path), head, architecture, folder / name)
        tensors |= {f"{name}.in.{key}": value for key, value in batch.items()}
        for dtype in DTYPES:
            measure(name, dtype, auto.from_pretrained(path, dtype=DTYPES[dtype]), folder / name, batch, tensors)
        facts[name] = {"model": source, "head": head}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), "cases": facts})


def make_adapter(model, head, architecture, folder):
    model.name_or_path = model.config.name_or_path = ""  # where the data was made is no part of it
    config = LoraConfig(
        task_type=TASKS[head], r=2, lora_alpha=7, lora_dropout=0.0, target_modules=TARGETS[architecture]
    )
    model = get_peft_model(model, config)
    common.fill_trainable(model, scale=0.1)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()


def measure(name, dtype, base, adapter, batch, tensors):
    """Python's numbers, and under `exact` those of float64 with the same weights."""
    for key, parameter in base.named_parameters():
        if parameter.dim() > 1:  # quieter than the files: else rounding decides whom attention chooses
            parameter.data *= 0.125 if key.endswith("Attention.q.weight") else 0.5
    model = PeftModel.from_pretrained(base, str(adapter), is_trainable=True).eval()
    exact = copy.deepcopy(model).double()
    for prefix, which in ((f"{name}.{dtype}", model), (f"{name}.{dtype}.exact", exact)):
        which.zero_grad()
        output = which(**batch)
        values = {key: output[key] for key in OUTPUTS if output.get(key) is not None}
        if "base" in name:
            (output.last_hidden_state.double() * weights(output.last_hidden_state)).sum().backward()
        else:
            values["loss"] = output.loss
            output.loss.backward()
        for parameter, value in which.named_parameters():
            if value.requires_grad:
                values[f"grad.{parameter}"] = value.grad
        for key, value in values.items():
            value = value.detach()
            tensors[f"{prefix}.{key}"] = value.float() if which is exact else value
    start = f"{name}.{dtype}.exact."
    for key in [key for key in tensors if key.startswith(start)]:
        plain = key.replace(".exact.", ".", 1)
        expected, actual = tensors[key].double(), tensors[plain].double()
        if expected.norm() < 1e-8:  # a bias that cancels in the softmax
            del tensors[key], tensors[plain]
            continue
        gap = float((actual - expected).norm() / expected.norm())
        assert gap < 0.1, (key, gap)


def weights(hidden):
    """What the last hidden states of a model without a head are multiplied with to have something to learn from."""
    return torch.linspace(-1, 1, hidden.numel(), dtype=torch.float64).reshape(hidden.shape)


SECTIONS = {"half_precision": write}
