#!/usr/bin/env python
"""Reads T5 models and adapters that the Java side wrote with the real transformers and PEFT, and compares the results.

    python check_seq2seq.py FOLDER [--tolerance 1e-4]

FOLDER holds one folder for each kind of model, with base/ (the model), adapter/ (LoRA on it), merged/ (the model with the
adapter in its weights) and expected.safetensors: input_ids, attention_mask, labels, and of each of the three
<name>.logits, <name>.loss and <name>.ids (two beams, six tokens), computed in Java.

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
            print(f"{'ok  ' if good else 'FAIL'}  {folder.name} {what}  {detail}", flush=True)
    return 1 if failed else 0


def check(folder, tolerance):
    import torch
    import transformers
    from peft import AutoPeftModelForSeq2SeqLM
    from safetensors.torch import load_file
    from transformers import AutoModelForSeq2SeqLM

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    expected = load_file(str(folder / "expected.safetensors"))
    batch = {name: expected[name] for name in ("input_ids", "attention_mask", "labels")}
    for part in ("base", "merged"):
        model, loading = AutoModelForSeq2SeqLM.from_pretrained(
            str(folder / part), dtype="auto", output_loading_info=True
        )
        problems = [name for name, keys in loading.items() if keys]
        yield from files(part, folder / part, model, problems)
        yield from outputs(part, model, batch, expected, tolerance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        adapted = AutoPeftModelForSeq2SeqLM.from_pretrained(str(folder / "adapter"))
    problems = [str(w.message) for w in caught if "missing adapter keys" in str(w.message)]
    yield from adapter_files(folder / "adapter", adapted, problems)
    yield from outputs("adapter", adapted, batch, expected, tolerance)


def names(file):
    from safetensors import safe_open

    with safe_open(str(file), "pt") as opened:
        return {key: opened.get_slice(key).get_shape() for key in opened.keys()}


def files(part, folder, model, problems):
    """The names and settings are those that transformers writes."""
    with tempfile.TemporaryDirectory() as again:
        model.save_pretrained(again)
        wanted = names(Path(again) / "model.safetensors")
        written = names(folder / "model.safetensors")
        detail = f"{len(written)} weights, {problems or 'nothing missing or unexpected'}"
        yield f"{part}: keys", written == wanted and not problems, detail
        for name in ("config.json", "generation_config.json"):
            ours = json.loads((folder / name).read_text())
            theirs = json.loads((Path(again) / name).read_text())
            different = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k, "-") != theirs.get(k, "-"))
            what = "config" if name == "config.json" else "generation config"
            yield f"{part}: {what}", not different, f"{len(ours)} keys, different {different}"


def adapter_files(folder, model, problems):
    from peft import get_peft_model_state_dict

    written = names(folder / "adapter_model.safetensors")
    wanted = {key: list(value.shape) for key, value in get_peft_model_state_dict(model).items()}
    yield "adapter: keys", written == wanted and not problems, f"{len(written)} tensors {problems or ''}"
    values = json.loads((folder / "adapter_config.json").read_text())
    wanted = set(model.peft_config["default"].to_dict()) - {"runtime_config"}
    good = set(values) == wanted and values["task_type"] == "SEQ_2_SEQ_LM"
    yield "adapter: config", good, f"{len(values)} keys, {type(model).__name__}"


def outputs(part, model, batch, expected, tolerance):
    import torch

    model.eval()
    with torch.no_grad():
        output = model(**batch)
    for name in ("logits", "loss"):
        difference = float((output[name].float() - expected[f"{part}.{name}"]).abs().max())
        yield f"{part}: {name}", difference <= tolerance, f"max abs difference {difference:.3e} ({tolerance:g} allowed)"
    source = {name: batch[name] for name in ("input_ids", "attention_mask")}
    ids = model.generate(**source, max_new_tokens=6, num_beams=2, do_sample=False)
    yield f"{part}: beams", torch.equal(ids, expected[f"{part}.ids"]), f"{ids.tolist()}, Java {expected[f'{part}.ids'].tolist()}"


if __name__ == "__main__":
    sys.exit(main())
