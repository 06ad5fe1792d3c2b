"""T5 with heads that judge: T5ForSequenceClassification, T5ForTokenClassification, T5ForQuestionAnswering."""

import torch
from transformers import T5Config, T5ForQuestionAnswering, T5ForSequenceClassification, T5ForTokenClassification

from . import common, t5

KINDS = {
    "sequence": (T5ForSequenceClassification, {"num_labels": 3}),
    "token": (T5ForTokenClassification, {"num_labels": 3}),
    "span": (T5ForQuestionAnswering, {"feed_forward_proj": "gated-gelu"}),
}
LABELS = {
    "sequence": {"labels": [2, 0]},
    "token": {"labels": [[0, 2, 1, -100, 2, 1, 0], [1, 1, 2, -100, -100, -100, -100]]},
    "span": {"start_positions": [3, 1], "end_positions": [4, 2]},
}
GRADIENTS = (
    "shared.weight",
    "classif",
    "qa_outputs",
    "encoder.block.1.layer.0.SelfAttention.v.weight",
    "decoder.block.0.layer.1.EncDecAttention.q.weight",
)


def write(folder):
    ids = torch.tensor([[5, 6, 17, 8, 29, 31, t5.EOS], [9, 33, 4, t5.EOS, t5.PAD, t5.PAD, t5.PAD]])
    sides = {"": ids, "left_": torch.stack([ids[0], torch.roll(ids[1], 3)])}
    tensors = {f"{side}ids": value for side, value in sides.items()}
    for name, (kind, changes) in KINDS.items():
        model = common.loud(kind(T5Config(**t5.SHAPE, classifier_dropout=0.0, **changes)), seed=31).eval()
        model.save_pretrained(folder / name)
        for side, values in sides.items():
            batch = {"input_ids": values, "attention_mask": (values != t5.PAD).long()}
            with torch.no_grad():
                output = model(**batch)
            if name == "span":
                tensors[f"{name}.{side}start"], tensors[f"{name}.{side}end"] = output.start_logits, output.end_logits
            else:
                tensors[f"{name}.{side}logits"] = output.logits
        labels = {key: torch.tensor(value) for key, value in LABELS[name].items()}
        tensors |= {f"{name}.{key}": value for key, value in labels.items()}
        batch = {"input_ids": ids, "attention_mask": (ids != t5.PAD).long(), **labels}
        tensors[f"{name}.loss"], grads = common.gradients_of(model, batch)
        kept = {n: g for n, g in grads.items() if n.endswith(GRADIENTS[3:]) or any(p in n for p in GRADIENTS[:3])}
        tensors |= {f"{name}.grad.{n}": g for n, g in kept.items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    header = {"versions": common.versions(), "tolerances": common.TOLERANCES}
    common.write_json(folder / "case.json", header)


SECTIONS = {"t5_heads": write}
