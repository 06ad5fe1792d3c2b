"""golden/train_arguments.json: four steps of the real transformers Trainer with optimizers, smoothed labels and own losses.

Each run: `folder` of another golden, `kind` of model, `arguments`, `rows` (ids, and labels: of a text one number), batches of 2 in
order, two of them a step where labels are smoothed or classes weighted, else one. `losses` and `grad_norm` (before clipping) of each step, `eval_loss` of the first four rows after the last
step, in batches of 4, and `after`: some weights then.
"""

import contextlib
import io
import tempfile

import torch
import transformers
from transformers import Trainer, TrainingArguments

from . import common
from .train50 import Recorder
from .train_heads import Sequential

GOLDEN = common.Path(__file__).parents[2] / "resources" / "golden"
STEPS = 4

KINDS = {
    "masked_lm": ("train_heads/masked_lm", transformers.AutoModelForMaskedLM),
    "causal_lm": ("decoder_llama/base", transformers.AutoModelForCausalLM),
    "seq2seq": ("t5_v10/model", transformers.AutoModelForSeq2SeqLM),
    "sequence": ("heads_bert/sequence", transformers.AutoModelForSequenceClassification),
    "token": ("heads_bert/token", transformers.AutoModelForTokenClassification),
}
KEPT = {
    "masked_lm": ["bert.encoder.layer.1.output.dense.weight", "bert.encoder.layer.0.attention.output.LayerNorm.weight",
                  "cls.predictions.bias"],
    "causal_lm": ["model.layers.1.mlp.down_proj.weight", "lm_head.weight"],
    "seq2seq": ["decoder.block.1.layer.2.DenseReluDense.wo.weight", "shared.weight"],
    "sequence": ["classifier.weight"],
    "token": ["classifier.weight"],
}
DECAY = {"weight_decay": 0.05, "learning_rate": 1e-2}
RUNS = {
    "adafactor": ("masked_lm", {"optim": "adafactor", **DECAY}),
    "sgd": ("masked_lm", {"optim": "sgd", **DECAY, "optim_args": "momentum=0.7, nesterov=true"}),
    "sgd_dampening": ("masked_lm", {"optim": "sgd", **DECAY, "optim_args": "momentum=0.6,dampening=0.2"}),
    "adagrad": ("masked_lm", {"optim": "adagrad", **DECAY, "optim_args": "lr_decay=0.1,eps=1e-4"}),
    "rmsprop": ("masked_lm", {"optim": "rmsprop", **DECAY,
                              "optim_args": "alpha=0.9,momentum=0.5,eps=1e-4,centered=true"}),
    "smooth_masked_lm": ("masked_lm", {"label_smoothing_factor": 0.2, **DECAY}),
    "smooth_causal_lm": ("causal_lm", {"label_smoothing_factor": 0.15, **DECAY}),
    "smooth_seq2seq": ("seq2seq", {"label_smoothing_factor": 0.1, **DECAY}),
    "smooth_sequence": ("sequence", {"label_smoothing_factor": 0.3, **DECAY}),
    "smooth_token": ("token", {"label_smoothing_factor": 0.25, **DECAY}),
    "weighted_sequence": ("sequence", {"class_weights": [0.3, 1.7, 0.9], **DECAY}),
    "weighted_token": ("token", {"class_weights": [0.4, 1.1, 2.2], **DECAY}),
}


def rows(kind, vocabulary):
    generator = torch.Generator().manual_seed(31)
    result = []
    for index in range(4 * STEPS):
        length = 4 + (index * 5) % 6
        ids = torch.randint(4, vocabulary, (length,), generator=generator).tolist()
        noise = torch.randint(0, 3, (length,), generator=generator).tolist()
        labels = {
            "masked_lm": [token if n == 1 else -100 for token, n in zip(ids, noise)],
            "causal_lm": [-100] * (1 + index % 2) + ids[1 + index % 2 :],
            "seq2seq": ids[::-1][: 2 + index % 4] + [1],
            "sequence": index % 3,
            "token": [-100 if i == 1 else n for i, n in enumerate(noise)],
        }[kind]
        if kind == "masked_lm":
            labels[length // 2] = ids[length // 2]
        result.append({"input_ids": ids, "labels": labels})
    return result


def collate_for(model, kind):
    def padded(lists, value):
        width = max(len(row) for row in lists)
        return torch.tensor([row + [value] * (width - len(row)) for row in lists])

    def collate(batch):
        ids = [row["input_ids"] for row in batch]
        labels = [row["labels"] for row in batch]
        values = {
            "input_ids": padded(ids, 0),
            "attention_mask": padded([[1] * len(row) for row in ids], 0),
            "labels": torch.tensor(labels) if kind == "sequence" else padded(labels, -100),
        }
        if kind == "seq2seq":
            values["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(values["labels"])
        return values

    return collate


def weighted(weights):
    """A compute_loss_func: cross entropy whose classes count more or less."""

    def loss(outputs, labels, num_items_in_batch=None):
        total = torch.nn.functional.cross_entropy(
            outputs.logits.flatten(0, -2), labels.flatten(), weight=torch.tensor(weights), reduction="sum"
        )
        return total / ((labels != -100).sum() if num_items_in_batch is None else num_items_in_batch)

    return loss


def run(kind, changes):
    folder, auto = KINDS[kind]
    without = {"dropout_rate": 0.0} if kind == "seq2seq" else {}
    model = auto.from_pretrained(GOLDEN / folder, attn_implementation="eager", **without)
    data = rows(kind, model.config.vocab_size)
    recorder = Recorder()
    weights = changes.get("class_weights")
    given = {name: value for name, value in changes.items() if name != "class_weights"}
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
            remove_unused_columns=False, max_steps=STEPS, per_device_train_batch_size=2, per_device_eval_batch_size=4,
            gradient_accumulation_steps=2 if weights or "label_smoothing_factor" in changes else 1,
            lr_scheduler_type="constant", seed=0, **given,
        )
        trainer = Sequential(
            model=model, args=arguments, train_dataset=data, eval_dataset=data[:4],
            data_collator=collate_for(model, kind), callbacks=[recorder],
            compute_loss_func=weighted(weights) if weights else None,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
            evaluated = trainer.evaluate()["eval_loss"]
    state = model.state_dict()
    micro = torch.stack(trainer.micro_losses).reshape(STEPS, -1)
    return {
        "folder": folder,
        "kind": kind,
        "arguments": changes,
        "rows": data,
        "losses": [float(sum(losses)) for losses in micro],
        "grad_norm": [log["grad_norm"] for log in recorder.logs],
        "eval_loss": evaluated,
        "after": {name: state[name].flatten().tolist()[:60] for name in KEPT[kind]},
    }


def write(path):
    common.write_json(path, {name: run(*case) for name, case in RUNS.items()})


SECTIONS = {"train_arguments.json": write}
