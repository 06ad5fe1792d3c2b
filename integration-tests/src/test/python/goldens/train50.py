"""Fifty optimizer steps of LoRA training with the real transformers Trainer, in fp32 and with a bf16 base.

Every micro batch, learning rate, gradient norm and loss is recorded, so a Java trainer can be fed the same batches and
compared step by step.
"""

import contextlib
import copy
import io
import tempfile

import torch
from peft import get_peft_model
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from . import common
from .lora_opt import lora

STEPS, ACCUMULATION, BATCH, LENGTH, VOCAB, SYMBOLS = 50, 2, 4, 24, 96, 23

ARGUMENTS = {
    "max_steps": STEPS,
    "gradient_accumulation_steps": ACCUMULATION,
    "per_device_train_batch_size": BATCH,
    "learning_rate": 5e-3,
    "weight_decay": 0.01,
    "lr_scheduler_type": "linear",
    "warmup_steps": 5,
    "max_grad_norm": 1.0,
    "optim": "adamw_torch",
    "seed": 0,
}

NOTES = [
    "Each optimizer step uses 2 consecutive micro batches. num_items_in_batch = number of labels != -100 in "
    "labels[:, 1:] over BOTH micro batches (position 0 is never a target). The loss of a micro batch is "
    "sum(cross entropy of its valid positions) / num_items_in_batch; it is not divided by the accumulation count. "
    "The step loss is the sum of its two micro losses, which is the token average over the whole step. PEFT models "
    "are unwrapped before Trainer asks whether forward() takes **kwargs, so OPT inside PEFT gets this loss too.",
    "The recorded learning rate is the one the optimizer used in that step (read before scheduler.step()); with "
    "warm-up the first step therefore runs with learning rate 0.",
    "The gradient norm is the total L2 norm before clipping (torch.nn.utils.clip_grad_norm_, max_norm 1.0, "
    "factor min(1, max_norm / (norm + 1e-6))).",
    "Trainer builds two parameter groups: weight decay 0.01 for all weights except biases and norms, 0.0 for the "
    "rest. All LoRA matrices are in the decayed group.",
    "model.train() is active, dropout is 0 everywhere and layerdrop is 0, so no random number matters.",
    "The cross entropy is computed on logits.float(), also with the bf16 base; adapter weights, their gradients and "
    "the optimizer states are fp32 in both variants (no autocast: fp16=False, bf16=False).",
]


class Recorder(TrainerCallback):
    """Collects what Trainer logs after every optimizer step."""

    def __init__(self):
        self.logs = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "grad_norm" in logs:
            self.logs.append(dict(logs))


class RecordingTrainer(Trainer):
    """Trainer that visits the data in order and keeps every micro batch and its loss."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.micro_batches, self.micro_losses, self.item_counts = [], [], []

    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)

    def training_step(self, model, inputs, num_items_in_batch=None):
        self.micro_batches.append({k: v.clone() for k, v in inputs.items()})
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.micro_losses.append(loss.float())
        self.item_counts.append(int(num_items_in_batch))
        return loss


def examples():
    """Sequences that follow a rule (the next symbol is the previous one plus 5, modulo 23): the loss can fall."""
    generator = torch.Generator().manual_seed(11)
    rows = []
    for index in range(STEPS * ACCUMULATION * BATCH):
        symbol = int(torch.randint(0, SYMBOLS, (1,), generator=generator))
        length = LENGTH if index % BATCH == 0 else int(torch.randint(6, LENGTH + 1, (1,), generator=generator))
        ids = [common.EOS]
        while len(ids) < length:
            ids.append(4 + 4 * symbol)
            symbol = (symbol + 5) % SYMBOLS
        prompt = 1 + index % 3  # prompt positions carry no loss
        padding = LENGTH - length
        rows.append(
            {
                "input_ids": ids + [common.PAD] * padding,
                "attention_mask": [1] * length + [0] * padding,
                "labels": [-100] * prompt + ids[prompt:] + [-100] * padding,
            }
        )
    return rows


def build(dtype):
    from transformers import OPTForCausalLM

    config = common.opt_config(vocab_size=VOCAB, hidden_size=32, word_embed_proj_dim=32, ffn_dim=64,
                               num_attention_heads=4)
    base = common.loud(OPTForCausalLM(config), seed=13, scale=0.15).to(dtype)
    torch.manual_seed(5)
    return base, get_peft_model(
        copy.deepcopy(base), lora(r=8, lora_alpha=20, target_modules="all-linear")
    )


def train(model):
    """Runs Trainer; returns the recording trainer and its per-step log lines."""
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
            remove_unused_columns=False, dataloader_num_workers=0, **ARGUMENTS,
        )
        trainer = RecordingTrainer(
            model=model,
            args=arguments,
            train_dataset=examples(),
            data_collator=lambda rows: {k: torch.tensor([row[k] for row in rows]) for k in rows[0]},
            callbacks=[recorder],
        )
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
    return trainer, recorder.logs


def write(folder):
    for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        write_variant(folder / name, dtype, folder)


def write_variant(folder, dtype, root):
    base, model = build(dtype)
    base.save_pretrained(folder / "base")
    model.save_pretrained(folder / "initial_adapter")
    wide = copy.deepcopy(model).double() if dtype is torch.float32 else copy.deepcopy(model).float()
    trainer, logs = train(model)
    model.save_pretrained(folder / "final_adapter")

    if dtype is torch.float32:
        batches = trainer.micro_batches
        stacked = {k: torch.stack([b[k] for b in batches]).to(torch.int32) for k in batches[0]}
        common.write_tensors(root / "batches.safetensors", stacked)
    micro = torch.stack(trainer.micro_losses)
    losses = micro.view(STEPS, ACCUMULATION).sum(1)
    common.write_tensors(
        folder / "steps.safetensors",
        {
            "loss": losses,
            "micro_loss": micro.view(STEPS, ACCUMULATION),
            "num_items_in_batch": torch.tensor(trainer.item_counts).view(STEPS, ACCUMULATION)[:, 0].clone(),
            "learning_rate": torch.tensor([line["learning_rate"] for line in logs], dtype=torch.float64),
            "grad_norm": torch.tensor([line["grad_norm"] for line in logs], dtype=torch.float64),
        },
    )
    wide_trainer, _ = train(wide)
    wide_losses = torch.stack(wide_trainer.micro_losses).view(STEPS, ACCUMULATION).sum(1)
    weights = dict(model.named_parameters())
    weight_gap = max(
        float((p.double() - weights[n].double()).abs().max()) for n, p in wide.named_parameters() if p.requires_grad
    )
    loss_gap = float((wide_losses - losses).abs().max())
    groups = [
        {"weight_decay": g["weight_decay"], "parameters": len(g["params"])} for g in trainer.optimizer.param_groups
    ]
    is_float32 = dtype is torch.float32
    common.write_json(
        folder / "case.json",
        {
            "case": f"train50/{folder.name}",
            "versions": common.versions(),
            "arguments": ARGUMENTS,
            "sequence": {"length": LENGTH, "vocab": VOCAB},
            "notes": NOTES,
            "adamw": {"betas": [0.9, 0.999], "eps": 1e-8},
            "parameterGroups": groups,
            "firstLoss": float(losses[0]),
            "lastLoss": float(losses[-1]),
            "gapToWiderRun": {
                "wider": "float64" if is_float32 else "float32",
                "loss": loss_gap,
                "weight": weight_gap,
            },
            "tolerances": {"loss": 5e-5, "finalWeight": 2e-4, "gradNormRelative": 1e-3}
            if is_float32
            else {"loss": 0.03, "gradNormRelative": 0.1, "finalWeight": 0.1},
        },
    )
    assert len(logs) == STEPS and losses[-1] < 0.8 * losses[0], (len(logs), losses[0], losses[-1])


SECTIONS = {"train50": write}
