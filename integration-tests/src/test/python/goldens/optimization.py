"""Optimizer arithmetic on fixed gradients, gradient clipping, and learning-rate schedules."""

import torch
import transformers
from transformers import get_scheduler

from . import common

STEPS = 10
SHAPES = {"weight": (4, 3), "bias": (5,), "sometimes": (2, 2), "deep": (2, 3, 4)}
SKIPPED = 4  # step (from 0) in which "sometimes" has no gradient

OPTIMIZERS = {
    "adamw": {"class": "AdamW", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "adamw_strong": {"class": "AdamW", "lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.3},
    "adamw_amsgrad_off_no_decay": {"class": "AdamW", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8,
                                   "weight_decay": 0.0},
    "sgd": {"class": "SGD", "lr": 0.1},
    "sgd_momentum": {"class": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.05},
    "sgd_nesterov": {"class": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05},
    "sgd_dampening": {"class": "SGD", "lr": 0.1, "momentum": 0.7, "dampening": 0.3},
    "adagrad": {"class": "Adagrad", "lr": 0.1},
    "adagrad_decay": {"class": "Adagrad", "lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.05, "eps": 1e-3},
    "rmsprop": {"class": "RMSprop", "lr": 0.02},
    "rmsprop_momentum": {"class": "RMSprop", "lr": 0.02, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.05,
                         "momentum": 0.6},
    "rmsprop_centered": {"class": "RMSprop", "lr": 0.02, "centered": True, "momentum": 0.3},
    "adafactor": {"class": "Adafactor", "lr": 0.05, "scale_parameter": False, "relative_step": False,
                  "weight_decay": 0.1},
    "adafactor_relative": {"class": "Adafactor", "clip_threshold": 0.7, "weight_decay": 0.1},
    "adafactor_warmup": {"class": "Adafactor", "warmup_init": True, "scale_parameter": False, "beta1": 0.7},
    "adafactor_scaled": {"class": "Adafactor", "lr": 0.05, "relative_step": False, "beta1": 0.4, "eps": [1e-4, 0.6],
                         "decay_rate": -0.5},
}


def write_optimizers(folder):
    generator = torch.Generator().manual_seed(21)
    start = {n: torch.randn(s, generator=generator) for n, s in SHAPES.items()}
    grads = [{n: torch.randn(s, generator=generator) for n, s in SHAPES.items()} for _ in range(STEPS)]
    tensors = {f"start.{n}": v for n, v in start.items()}
    for name in SHAPES:
        tensors[f"grad.{name}"] = torch.stack([g[name] for g in grads])
    for label, settings in OPTIMIZERS.items():
        parameters = {n: torch.nn.Parameter(v.clone()) for n, v in start.items()}
        kwargs = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k != "class"}
        if settings["class"] == "Adafactor":
            optimizer = transformers.optimization.Adafactor(parameters.values(), **kwargs)
        else:
            optimizer = getattr(torch.optim, settings["class"])(parameters.values(), foreach=False, **kwargs)
        history = {n: [] for n in SHAPES}
        for step in range(STEPS):
            for name, parameter in parameters.items():
                skipped = name == "sometimes" and step == SKIPPED
                parameter.grad = None if skipped else grads[step][name].clone()
            optimizer.step()
            for name, parameter in parameters.items():
                history[name].append(parameter.detach().clone())
        for name, values in history.items():
            tensors[f"{label}.{name}"] = torch.stack(values)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "note": "start.<p> first values; grad.<p> [10, ...] gradient of every step; <optimizer>.<p> [10, ...] "
            f"value after every step. Parameter 'sometimes' has no gradient (None) in step {SKIPPED}, counted from 0: "
            "it is left alone, its moments and its own step counter too.",
            "versions": common.versions(),
            "tolerances": {"value": 2e-6},
            "noGradient": {"parameter": "sometimes", "step": SKIPPED},
            "optimizers": OPTIMIZERS,
            "clipping": clipping(),
        },
    )


def clipping():
    """clip_grad_norm_ on two gradients: total norm returned and values afterwards."""
    rows = []
    for scale, max_norm, kind in [(1.0, 1.0, 2.0), (0.01, 1.0, 2.0), (3.0, 0.5, 2.0), (1.0, 1.0, 1.0),
                                  (2.0, 1.5, float("inf")), (0.0, 1.0, 2.0)]:
        values = [torch.tensor([1.0, -2.0, 0.5]) * scale, torch.tensor([[0.25, 4.0]]) * scale]
        parameters = [torch.nn.Parameter(torch.zeros_like(v)) for v in values]
        for parameter, value in zip(parameters, values):
            parameter.grad = value.clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type=kind)
        rows.append(
            {
                "gradients": [v.flatten().tolist() for v in values],
                "maxNorm": max_norm,
                "normType": "inf" if kind == float("inf") else kind,
                "totalNorm": float(norm),
                "clipped": [p.grad.flatten().tolist() for p in parameters],
            }
        )
    return rows


def write_schedules(path):
    """Learning rate used in every step: schedules[i].rates[k] belongs to optimizer step k, counted from 0, and goes on two
    steps longer than planned: what happens after the end."""
    base = 5e-3
    schedules = []
    names = ("linear", "cosine", "constant", "constant_with_warmup", "cosine_with_restarts", "polynomial", "inverse_sqrt")
    for name in names:
        for steps, warmup in [(10, 0), (10, 3), (50, 5), (7, 7), (1, 0), (20, 30)]:
            if name == "polynomial" and steps == warmup:
                continue  # Python divides by 0
            schedules.append(schedule(name, None, steps, warmup, base))
    for name, kwargs, steps, warmup in WITH_KWARGS:
        schedules.append({"kwargs": kwargs, **schedule(name, kwargs, steps, warmup, base)})
    measured = [measure(name, kwargs, base) for name, kwargs in MEASURED]
    values = {"versions": common.versions(), "learningRate": base, "schedules": schedules, "measured": measured}
    common.write_json(path, values)


WITH_KWARGS = [
    ("cosine", {"num_cycles": 1.75}, 12, 3),
    ("cosine_with_restarts", {"num_cycles": 3}, 14, 2),
    ("polynomial", {"lr_end": 1e-3, "power": 2.5}, 12, 3),
    ("inverse_sqrt", {"timescale": 7}, 20, 4),
    ("cosine_with_min_lr", {"min_lr": 1e-3}, 11, 2),
    ("cosine_with_min_lr", {"min_lr_rate": 0.3, "num_cycles": 1.25}, 11, 0),
    ("cosine_warmup_with_min_lr", {"min_lr": 1e-3}, 11, 3),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.2, "warmup_lr_rate": 0.1, "num_cycles": 0.75}, 11, 4),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.2, "warmup_lr_rate": 0.1}, 7, 1),
    ("warmup_stable_decay", {"num_decay_steps": 5}, 14, 3),
    ("warmup_stable_decay", {"num_decay_steps": 4, "num_stable_steps": 2, "min_lr_ratio": 0.15}, 14, 3),
    ("warmup_stable_decay", {"num_decay_steps": 6, "warmup_type": "cosine", "decay_type": "linear"}, 16, 4),
    ("warmup_stable_decay", {"num_decay_steps": 6, "warmup_type": "1-sqrt", "decay_type": "1-sqrt",
                             "min_lr_ratio": 0.1}, 16, 5),
    ("warmup_stable_decay", {"num_decay_steps": 8, "num_cycles": 1.3}, 12, 2),
]


def schedule(name, kwargs, steps, warmup, base):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = get_scheduler(name, optimizer, warmup, steps, scheduler_specific_kwargs=kwargs)
    rates = []
    for _ in range(steps + 2):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"name": name, "steps": steps, "warmupSteps": warmup, "rates": rates}


# Both ways of comparing, pauses, limits and the smoothed, resetting form.
MEASURED = [
    ("reduce_lr_on_plateau", {"patience": 1}),
    ("reduce_lr_on_plateau", {"patience": 0, "factor": 0.5, "threshold": 0.05, "cooldown": 2, "min_lr": 4e-4}),
    ("reduce_lr_on_plateau", {"patience": 1, "factor": 0.7, "mode": "max", "threshold": 0.1, "threshold_mode": "abs"}),
    ("reduce_lr_on_plateau", {"patience": 1, "factor": 0.6, "mode": "max", "threshold": 0.02, "eps": 1e-3}),
    ("greedy", {"patience": 1, "min_lr": 1e-4}),
    ("greedy", {"patience": 0, "factor": 0.5, "min_lr": 2e-3, "max_lr": 9e-3, "reset_start": 2, "cooldown": 1}),
    ("greedy", {"patience": 1, "factor": 0.8, "mode": "max", "threshold": 0.03, "threshold_mode": "rel", "warmup": 2,
                "min_lr": 1e-5}),
    ("greedy", {"patience": 0, "factor": 0.6, "smooth": True, "window_size": 3, "min_lr": 4e-3, "reset_start": 3}),
]


def measure(name, kwargs, base):
    """rates[k] is that after metrics[k]."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = get_scheduler(name, optimizer, scheduler_specific_kwargs=kwargs)
    noise = torch.randn(40, generator=torch.Generator().manual_seed(len(str(kwargs))))
    falling = torch.linspace(2, 1, 40) * torch.where(torch.arange(40) % 13 < 8, 1.0, 1.3)
    metrics = (falling + 0.05 * noise).double().tolist()
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert len(set(rates)) > 2, (name, kwargs, set(rates))
    return {"name": name, "kwargs": kwargs, "metrics": metrics, "rates": rates}


SECTIONS = {"optimizers": write_optimizers, "schedules.json": write_schedules}
