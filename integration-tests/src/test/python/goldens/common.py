"""What every section needs: process settings, tiny models, seeded values, writers, the standard measurements."""

import copy
import json
import logging
import os
import shutil
import time
import warnings
import zlib
from pathlib import Path

PINNED = {"peft": "0.21.0", "transformers": "5.17.0", "torch": "2.13.0"}

TOLERANCES = {
    "forward": 1e-5,
    "gradient": 1e-4,
    "afterSteps": 1e-4,
    "note": "absolute + relative, i.e. |a-b| <= tol * (1 + |b|), for fp32 on the CPU",
}

OPTIMIZER = {"name": "AdamW", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "steps": 3}


def prepare_process():
    """One thread, deterministic kernels, no network, pinned versions."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    import peft
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for module in (peft, transformers, torch):
        found = module.__version__.split("+")[0]
        if found != PINNED[module.__name__]:
            raise SystemExit(f"{module.__name__} is {found}, the goldens are pinned to {PINNED[module.__name__]}")


def run_section(out, name, write):
    """Removes what the section wrote before, runs it, and prints its size."""
    started = time.time()
    target = out / name
    if target.is_dir():
        shutil.rmtree(target)
    elif target.exists():
        target.unlink()
    write(target)
    files = [target] if target.is_file() else [f for f in target.rglob("*") if f.is_file()]
    size = sum(f.stat().st_size for f in files)
    print(f"{name:28s} {len(files):3d} files {size / 1024:8.1f} KiB {time.time() - started:6.1f} s", flush=True)


def versions():
    return dict(PINNED)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True, sort_keys=False) + "\n")


def write_tensors(path, tensors):
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, str(path))


# ---------------------------------------------------------------------------------------------------- tiny models

VOCAB = 40
PAD, EOS = 1, 2


def loud(model, seed=7, scale=0.3):
    """Overwrites every weight with N(0, scale): with the usual std of 0.02 a wrong adapter hides in the tolerance."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        is_norm = ("norm" in name.lower() or "ln_" in name) and name.endswith("weight")
        value = torch.randn(parameter.shape, generator=generator) * (scale if parameter.dim() > 1 else scale / 3)
        parameter.data = value + (1.0 if is_norm else 0.0)
    model.tie_weights()
    return model.eval()


def opt_config(**changes):
    from transformers import OPTConfig

    values = {
        "vocab_size": VOCAB,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "ffn_dim": 32,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "word_embed_proj_dim": 16,
        "pad_token_id": PAD,
        "bos_token_id": EOS,
        "eos_token_id": EOS,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
    }
    return OPTConfig(**{**values, **changes})


def tiny_opt(**changes):
    from transformers import OPTForCausalLM

    return loud(OPTForCausalLM(opt_config(**changes)))


def causal_batch():
    """A right-padded training batch: labels are -100 on the padding."""
    import torch

    ids = torch.tensor([[2, 5, 6, 17, 8, 29, 31], [2, 9, 33, 4, 11, PAD, PAD]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]])
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.where(mask == 1, ids, torch.tensor(-100))}


def left_padded_batch():
    """The same sequences padded on the left, as generation needs them."""
    import torch

    ids = torch.tensor([[2, 5, 6, 17, 8, 29, 31], [PAD, PAD, 2, 9, 33, 4, 11]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1]])
    return {"input_ids": ids, "attention_mask": mask}


def positions(model, batch):
    """Positions as `generate` counts them, for models whose result depends on where counting begins."""
    mask = batch["attention_mask"]
    return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)} if model.config.model_type in ("gpt2", "bert", "electra") else {}


def fill_trainable(model, salt=3, scale=0.3):
    """Gives every trainable parameter uniform values from a generator seeded with crc32(its name) + salt."""
    import torch

    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + salt)
            value = (torch.rand(parameter.shape, generator=generator) * 2 - 1) * scale
            parameter.data = value.to(parameter.dtype)


# --------------------------------------------------------------------------------------- the standard measurements


def logits_of(model, batch):
    import torch

    with torch.no_grad():
        return model(**batch).logits


def gradients_of(model, batch):
    """(loss, name -> gradient) of one backward pass; a parameter without a gradient gets zeros."""
    import torch

    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    grads = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    model.zero_grad()
    return output.loss.detach(), grads


def train_steps(model, batch, steps=OPTIMIZER["steps"]):
    """(losses, name -> value) after AdamW steps on one batch; the model is changed."""
    import torch

    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        trainable.values(),
        lr=OPTIMIZER["lr"],
        betas=tuple(OPTIMIZER["betas"]),
        eps=OPTIMIZER["eps"],
        weight_decay=OPTIMIZER["weight_decay"],
    )
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), {n: p.detach().clone() for n, p in trainable.items()}


def merge_measurements(model, batch, tensors):
    """Logits while merged, after unmerging and while disabled, and the weights of `merge_and_unload`."""
    import torch

    merged = copy.deepcopy(model)
    merged.merge_adapter()
    tensors["merged.logits"] = logits_of(merged, batch)
    merged.unmerge_adapter()
    tensors["unmerged.logits"] = logits_of(merged, batch)
    plain = copy.deepcopy(model).merge_and_unload()
    tensors["merged_unloaded.logits"] = logits_of(plain, batch)
    tensors.update({f"merged.weight.{name}": value for name, value in plain.state_dict().items()})
    with model.disable_adapter(), torch.no_grad():
        tensors["disabled.logits"] = model(**batch).logits


def float64_gaps(model, batch):
    """How far fp32 is from fp64 on this case: the honest lower bound of any tolerance."""
    wide = copy.deepcopy(model).double()
    narrow = copy.deepcopy(model)
    gaps = {"logits": _distance(logits_of(narrow, batch), logits_of(wide, batch))}
    _, narrow_grads = gradients_of(narrow, batch)
    _, wide_grads = gradients_of(wide, batch)
    gaps["gradient"] = max(_distance(narrow_grads[n], wide_grads[n]) for n in narrow_grads)
    _, narrow_after = train_steps(narrow, batch)
    _, wide_after = train_steps(wide, batch)
    per_parameter = {n: _distance(narrow_after[n], wide_after[n]) for n in narrow_after}
    unstable = sorted(n for n, gap in per_parameter.items() if gap > TOLERANCES["afterSteps"] / 4)
    gaps["afterSteps"] = max(gap for n, gap in per_parameter.items() if n not in unstable)
    return gaps, unstable


def _distance(a, b):
    return float(((a.double() - b.double()).abs() / (1 + b.double().abs())).max())
