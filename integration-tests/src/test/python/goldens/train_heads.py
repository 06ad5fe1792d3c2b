"""Six steps of question answering and of masked language modelling with the real transformers Trainer."""

import contextlib
import io
import tempfile

import torch
from transformers import BertConfig, BertForMaskedLM, BertForQuestionAnswering, Trainer, TrainingArguments

from . import common
from .train50 import Recorder, RecordingTrainer

ARGUMENTS = {
    "max_steps": 6,
    "per_device_train_batch_size": 2,
    "per_device_eval_batch_size": 2,
    "learning_rate": 1e-2,
    "weight_decay": 0.01,
    "lr_scheduler_type": "linear",
    "max_grad_norm": 1.0,
    "optim": "adamw_torch",
    "seed": 0,
}

NOTE = (
    "rows: token ids with token types and either start and end (the last one beyond its text and not counting) or "
    "labels. Batches of 2 in order, padded with 0. losses: before each of 6 steps; grad_norm before clipping; "
    "eval_loss after the last. after.<name>: weights after the last step."
)


class Sequential(RecordingTrainer):
    """Question answering has no labels to count."""

    def training_step(self, model, inputs, num_items_in_batch=None):
        loss = Trainer.training_step(self, model, inputs, num_items_in_batch)
        self.micro_losses.append(loss.float())
        return loss


def config():
    return BertConfig(
        vocab_size=common.VOCAB,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=24,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
    )


def texts():
    generator = torch.Generator().manual_seed(3)
    rows = []
    for index in range(8):
        length = 5 + (index * 5) % 7
        ids = torch.randint(4, common.VOCAB, (length,), generator=generator).tolist()
        question = 2 + index % 3
        rows.append({"input_ids": ids, "token_type_ids": [0] * question + [1] * (length - question)})
    return rows


def spans():
    rows = texts()
    for index, row in enumerate(rows):
        length = len(row["input_ids"])
        row["start_positions"] = (index * 3) % length
        row["end_positions"] = min(length - 1, row["start_positions"] + index % 3)
    rows[5] |= {"start_positions": 90, "end_positions": 95}
    return rows


def masked():
    rows = texts()
    generator = torch.Generator().manual_seed(4)
    for row in rows:
        ids = row["input_ids"]
        hidden = torch.rand(len(ids), generator=generator) < 0.3
        hidden[len(ids) // 2] = True
        row["labels"] = [token if hide else -100 for token, hide in zip(ids, hidden.tolist())]
        row["input_ids"] = [3 if hide else token for token, hide in zip(ids, hidden.tolist())]
    return rows


def collate(rows):
    width = max(len(row["input_ids"]) for row in rows)

    def padded(name, value):
        return torch.tensor([row[name] + [value] * (width - len(row[name])) for row in rows])

    batch = {
        "input_ids": padded("input_ids", 0),
        "token_type_ids": padded("token_type_ids", 0),
        "attention_mask": torch.tensor(
            [[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows]
        ),
    }
    for name in ("start_positions", "end_positions"):
        if name in rows[0]:
            batch[name] = torch.tensor([row[name] for row in rows])
    if "labels" in rows[0]:
        batch["labels"] = padded("labels", -100)
    return batch


def run(model, rows, label_names):
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
            remove_unused_columns=False, dataloader_num_workers=0, label_names=label_names, **ARGUMENTS,
        )
        trainer = Sequential(
            model=model, args=arguments, train_dataset=rows, eval_dataset=rows[:4], data_collator=collate,
            callbacks=[recorder],
        )
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
            evaluated = trainer.evaluate()["eval_loss"]
    return [float(loss) for loss in trainer.micro_losses], [log["grad_norm"] for log in recorder.logs], evaluated


def write(folder):
    cases = {
        "span": (BertForQuestionAnswering, spans(), ["start_positions", "end_positions"]),
        "masked_lm": (BertForMaskedLM, masked(), ["labels"]),
    }
    facts = {"versions": common.versions(), "note": NOTE, "arguments": ARGUMENTS, "tolerances": common.TOLERANCES}
    for name, (kind, rows, label_names) in cases.items():
        model = common.loud(kind(config()), seed=17)
        model.save_pretrained(folder / name)
        losses, norms, evaluated = run(model, rows, label_names)
        facts[name] = {"rows": rows, "losses": losses, "grad_norm": norms, "eval_loss": evaluated}
        kept = {n: p for n, p in model.named_parameters() if "layer.1" in n or "outputs" in n or "transform" in n}
        common.write_tensors(folder / name / "after.safetensors", kept)
    common.write_json(folder / "case.json", facts)


SECTIONS = {"train_heads": write}
