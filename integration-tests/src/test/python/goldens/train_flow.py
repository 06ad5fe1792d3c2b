"""golden/train_flow.json: when transformers' Trainer evaluates and saves, what it logs, and what its checkpoints hold.

Each run trains `train_heads/masked_lm` for 12 steps (2.4 epochs) on `rows` in batches of 2, in their order. `arguments`: what
differs from COMMON below; `datasets`: name -> indices of the rows that are evaluated, as one batch ("" where the dataset has no name); `patience` of
an EarlyStoppingCallback. `log_history` without times and speeds, its keys in their order; `evaluated`: steps of the calls of on_evaluate;
`checkpoints`: those that are left, each with its files and what its trainer_state.json says; `final`: the losses of the model that the run leaves.
"""

import contextlib
import io
import json
import tempfile

import transformers
from transformers import EarlyStoppingCallback, TrainerCallback, TrainingArguments

from . import common
from .train_arguments import GOLDEN, KINDS, collate_for, rows
from .train_heads import Sequential

COMMON = {
    "per_device_train_batch_size": 2,
    "per_device_eval_batch_size": 8,
    "num_train_epochs": 2.4,
    "learning_rate": 2.0,
    "lr_scheduler_type": "linear",
    "optim": "sgd",
    "logging_steps": 4,
    "save_strategy": "no",
    "seed": 0,
}
TIMES = ("_runtime", "_per_second", "total_flos")
STATE = ["best_global_step", "best_metric", "best_model_checkpoint", "epoch", "global_step", "max_steps", "num_train_epochs"]
ONE = {"": [0, 1, 2, 3]}
TWO = {"seen": [0, 1, 2], "other": [10, 11, 12, 13]}

RUNS = {
    "start": (ONE, {"eval_on_start": True, "eval_strategy": "steps", "eval_steps": 5, "save_strategy": "steps",
                    "save_steps": 5, "metric_for_best_model": "loss"}),
    "start_only": (ONE, {"eval_on_start": True}),
    "delayed_steps": (ONE, {"eval_delay": 5.5, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
                            "save_steps": 2, "load_best_model_at_end": True, "save_only_model": True}),
    "delayed_epochs": (ONE, {"eval_delay": 2, "eval_on_start": True, "eval_strategy": "epoch", "save_strategy": "epoch",
                             "load_best_model_at_end": True, "save_total_limit": 2}),
    "delayed_too_long": (ONE, {"eval_delay": 100, "eval_strategy": "steps", "eval_steps": 3, "save_strategy": "best",
                               "load_best_model_at_end": True}),
    "delayed_last": (ONE, {"eval_delay": 11, "eval_strategy": "steps", "eval_steps": 5, "save_strategy": "steps",
                           "save_steps": 5, "save_only_model": True}),
    "named_best": (TWO, {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "best", "save_only_model": True,
                         "load_best_model_at_end": True, "metric_for_best_model": "other_loss"}),
    "named_start": (TWO, {"eval_on_start": True, "eval_strategy": "epoch", "save_strategy": "epoch",
                          "metric_for_best_model": "eval_seen_loss", "save_only_model": True, "save_total_limit": 1,
                          "load_best_model_at_end": True}),
    "named_plateau": (TWO, {"eval_on_start": True, "eval_strategy": "steps", "eval_steps": 1, "logging_steps": 1,
                            "lr_scheduler_type": "reduce_lr_on_plateau", "metric_for_best_model": "other_loss",
                            "lr_scheduler_kwargs": {"patience": 0, "factor": 0.5}}),
    "plateau": (ONE, {"eval_on_start": True, "eval_delay": 3, "eval_strategy": "steps", "eval_steps": 1, "logging_steps": 1,
                      "lr_scheduler_type": "reduce_lr_on_plateau", "save_strategy": "steps", "save_steps": 4,
                      "lr_scheduler_kwargs": {"patience": 0, "factor": 0.5}}),
    "named_stopping": (TWO, {"eval_on_start": True, "eval_strategy": "steps", "eval_steps": 1, "patience": 2,
                             "metric_for_best_model": "other_loss"}),
}


class Evaluations(TrainerCallback):
    def __init__(self):
        self.steps = []

    def on_evaluate(self, args, state, control, **kwargs):
        self.steps.append(state.global_step)


def line(values):
    return {key: value for key, value in values.items() if not key.endswith(TIMES)}


def checkpoint(folder):
    state = json.loads((folder / "trainer_state.json").read_text())
    best = state["best_model_checkpoint"]
    return {
        "files": sorted(path.name for path in folder.iterdir()),
        "state": {name: state[name] for name in STATE} | {"best_model_checkpoint": best and best.rsplit("/", 1)[-1]},
        "log_history": len(state["log_history"]),
    }


def run(datasets, changes):
    folder, auto = KINDS["masked_lm"]
    model = auto.from_pretrained(GOLDEN / folder, attn_implementation="eager")
    data = rows("masked_lm", model.config.vocab_size)
    chosen = {name: [data[index] for index in indices] for name, indices in datasets.items()}
    evaluations = Evaluations()
    given = {name: value for name, value in (COMMON | changes).items() if name != "patience"}
    stopping = [EarlyStoppingCallback(changes["patience"])] if "patience" in changes else []
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        trainer = Sequential(
            model=model,
            args=TrainingArguments(output_dir=scratch, report_to=[], use_cpu=True, disable_tqdm=True,
                                   remove_unused_columns=False, **given),
            train_dataset=data[:10], eval_dataset=chosen.get("", chosen), data_collator=collate_for(model, "masked_lm"),
            callbacks=[evaluations, *stopping],
        )
        trainer.train()
        steps = list(evaluations.steps)
        history = [line(entry) for entry in trainer.state.log_history]
        saved = {path.name: checkpoint(path) for path in sorted(common.Path(scratch).iterdir())}
        final = {key: value for key, value in trainer.evaluate().items() if key.endswith("_loss")}
    return {"datasets": datasets, "arguments": changes, "log_history": history, "evaluated": steps, "checkpoints": saved,
            "final": final}


def write(path):
    model = KINDS["masked_lm"][1].from_pretrained(GOLDEN / KINDS["masked_lm"][0])
    common.write_json(path, {
        "rows": rows("masked_lm", model.config.vocab_size),
        "runs": {name: run(*case) for name, case in RUNS.items()},
    })


SECTIONS = {"train_flow.json": write}
