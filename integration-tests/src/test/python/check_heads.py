#!/usr/bin/env python
"""Reads models of every head that the Java side wrote with the real transformers, and compares the outputs.

    python check_heads.py FOLDER [--tolerance 1e-4]

FOLDER holds <architecture>-<AutoModel class>/ with config.json, model.safetensors and expected.safetensors: input_ids,
attention_mask and what the model computed from them in Java.

Checks for each: `architectures` names the class that the AutoModel loads; no weight is missing, unexpected or of another
shape, and the file has exactly the names that transformers would save; writing the config again gives the same keys and
values; every output is equal within the tolerance where attention_mask is 1.
Prints one line per check. Exit status: 0 all good, 1 a check failed.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    failed = False
    for folder in sorted(p for p in arguments.folder.iterdir() if p.is_dir()):
        for what, good, detail in check(folder, arguments.tolerance):
            failed |= not good
            print(f"{'ok  ' if good else 'FAIL'}  {folder.name}: {what}  {detail}", flush=True)
    return 1 if failed else 0


def check(folder, tolerance):
    import torch
    import transformers
    from safetensors import safe_open
    from safetensors.torch import load_file

    transformers.utils.logging.disable_progress_bar()

    torch.set_num_threads(1)
    auto = getattr(transformers, folder.name.split("-")[1])
    model, loading = auto.from_pretrained(str(folder), dtype="auto", output_loading_info=True)
    config = json.loads((folder / "config.json").read_text())
    yield "class", config["architectures"] == [type(model).__name__], type(model).__name__
    with tempfile.TemporaryDirectory() as again:
        model.save_pretrained(again)
        with safe_open(str(Path(again) / "model.safetensors"), "pt") as file:
            wanted = set(file.keys())
        rewritten = json.loads((Path(again) / "config.json").read_text())
    with safe_open(str(folder / "model.safetensors"), "pt") as file:
        written = set(file.keys())
    problems = [name for name, keys in loading.items() if keys]
    detail = f"{len(written)} weights, {problems or 'nothing missing or unexpected'}"
    yield "keys", written == wanted and not problems, detail
    different = sorted(k for k in config.keys() | rewritten.keys() if config.get(k, "-") != rewritten.get(k, "-"))
    yield "config", not different, f"{len(config)} keys, different {different}"
    expected = load_file(str(folder / "expected.safetensors"))
    batch = {name: expected.pop(name) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        output = model.eval()(**batch)
    worst = 0.0
    for name, value in expected.items():
        found = output[name]
        if found.shape[:2] == batch["attention_mask"].shape:
            keep = batch["attention_mask"].bool()
            value, found = value[keep], found[keep]
        worst = max(worst, float((value - found).abs().max()))
    detail = f"{sorted(expected)} max abs difference {worst:.3e} (tolerance {tolerance})"
    yield "outputs", worst <= tolerance and len(expected) > 0, detail


if __name__ == "__main__":
    sys.exit(main())
