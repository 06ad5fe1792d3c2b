#!/usr/bin/env python
"""Reads what the Java side wrote with the real PEFT and transformers, and compares the results.

    python check_interop.py FOLDER [--tolerance 1e-4]
    python check_interop.py --example GOLDEN_CASE FOLDER     lays out FOLDER from a golden case, to try the check

FOLDER:
    base/                  the model the adapter belongs to (config.json, model.safetensors)
    adapter/               what PeftModel.savePretrained wrote: adapter "default" here, <name> in adapter/<name>/
    merged/                optional: the whole model written after mergeAndUnload (config.json, weights, maybe sharded)
    expected.safetensors   results computed in Java:
        input_ids, attention_mask   I64 [batch, length]
        base.logits                 optional, without an adapter
        adapter.logits              with adapter "default"
        adapter.<name>.logits       with adapter <name>, for every folder adapter/<name>/
        merged.logits               from the merged model, needed if merged/ exists

Checks: the keys of every adapter_config.json are exactly those PEFT writes (41 for LoRA), in PEFT's formatting; the
weight file has exactly the tensors PEFT would save, with their shapes, and metadata format=pt; no key is missing or
unexpected while loading; every logits tensor is equal to Python's within the tolerance at the positions that
attention_mask keeps.
Prints one line per check. Exit status: 0 all good, 1 a check failed, 2 the folder is not as described.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class Report:
    """Prints each check and remembers whether one failed."""

    def __init__(self):
        self.failed = False

    def check(self, what, good, detail=""):
        self.failed |= not good
        print(f"{'ok  ' if good else 'FAIL'}  {what}{'  ' + detail if detail else ''}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--example", type=Path, metavar="GOLDEN_CASE")
    arguments = parser.parse_args()
    folder = arguments.folder
    if arguments.example:
        write_example(arguments.example, folder)
        return 0
    for needed in ("base/config.json", "adapter/adapter_config.json", "expected.safetensors"):
        if not (folder / needed).is_file():
            print(f"{folder / needed} is missing", file=sys.stderr)
            return 2
    return check_folder(folder, arguments.tolerance)


def check_folder(folder, tolerance):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    report = Report()
    expected = load_file(str(folder / "expected.safetensors"))
    batch = {name: expected[name] for name in ("input_ids", "attention_mask")}

    def compare(name, model):
        with torch.no_grad():
            logits = model.eval()(**batch).logits
        wanted = expected.get(name)
        if wanted is None:
            report.check(name, False, "is not in expected.safetensors")
            return
        if wanted.shape != logits.shape or wanted.dtype != logits.dtype:
            found = f"is {list(wanted.shape)} {wanted.dtype}"
            report.check(name, False, f"{found}, Python has {list(logits.shape)} {logits.dtype}")
            return
        difference = (logits.double() - wanted.double()).abs()[batch["attention_mask"] == 1].max().item()
        report.check(name, difference <= tolerance, f"max abs difference {difference:.3e} (tolerance {tolerance:g})")

    def load_base():
        return AutoModelForCausalLM.from_pretrained(str(folder / "base"), dtype="auto")

    if "base.logits" in expected:
        compare("base.logits", load_base())
    adapters = {"default": folder / "adapter"}
    adapters |= {f.parent.name: f.parent for f in sorted(folder.glob("adapter/*/adapter_config.json"))}
    for name, place in adapters.items():
        check_config(report, name, place)
        model = check_weights(report, name, place, load_base())
        compare("adapter.logits" if name == "default" else f"adapter.{name}.logits", model)
    if (folder / "merged").is_dir():
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder / "merged"), dtype="auto", output_loading_info=True
        )
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            report.check(f"merged: {kind}", not info[kind], ", ".join(map(str, sorted(info[kind]))))
        compare("merged.logits", model)
    return 1 if report.failed else 0


def check_config(report, name, place):
    """The keys and the formatting of adapter_config.json."""
    from peft import PeftConfig

    text = (place / "adapter_config.json").read_text()
    values = json.loads(text)
    config = PeftConfig.from_pretrained(str(place))
    wanted = set(config.to_dict()) - {"runtime_config"}
    missing, extra = sorted(wanted - set(values)), sorted(set(values) - wanted)
    report.check(f"{name}: {len(wanted)} config keys", not missing and not extra, f"missing {missing}, extra {extra}")
    if values["peft_type"] == "LORA":
        report.check(f"{name}: 41 keys of LoRA", len(values) == 41, f"found {len(values)}")
    report.check(f"{name}: config formatting", text == json.dumps(values, indent=2, sort_keys=True))
    report.check(f"{name}: saved with inference_mode", values["inference_mode"] is True)


def check_weights(report, name, place, base):
    """Loads the adapter and compares the file with what PEFT itself would have saved."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    caught = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(base, str(place), autocast_adapter_dtype=False)
    missing = [str(w.message) for w in caught if "missing adapter keys" in str(w.message)]
    report.check(f"{name}: no missing adapter keys", not missing, " ".join(missing))
    with safe_open(str(place / "adapter_model.safetensors"), "pt") as file:
        metadata = file.metadata()
        written = {key: list(file.get_slice(key).get_shape()) for key in file.keys()}
    wanted = {key: list(value.shape) for key, value in get_peft_model_state_dict(model).items()}
    report.check(f"{name}: metadata", metadata == {"format": "pt"}, str(metadata))
    extra, lacking = sorted(set(written) - set(wanted)), sorted(set(wanted) - set(written))
    reshaped = sorted(k for k in set(written) & set(wanted) if written[k] != wanted[k])
    detail = f"only in the file {extra}, only in PEFT {lacking}, other shape {reshaped}"
    report.check(f"{name}: {len(wanted)} tensors", written == wanted, "" if written == wanted else detail)
    return PeftModel.from_pretrained(reload(base), str(place))


def reload(model):
    """The base model again, without the adapter that `check_weights` injected."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model.config.name_or_path, dtype="auto")


def write_example(case, folder):
    """Builds FOLDER with Python from a golden case, as the Java side is expected to build it."""
    from peft import PeftModel
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    tensors = load_file(str(case / "io.safetensors"))
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("base", "adapter"):
        shutil.copytree(case / part, folder / part)
    expected = {name: tensors[f"in.{name}"] for name in ("input_ids", "attention_mask")}
    expected["base.logits"] = tensors["base.logits"]
    named = {"active.default.logits": "adapter.logits"} | {
        f"active.{f.parent.name}.logits": f"adapter.{f.parent.name}.logits"
        for f in folder.glob("adapter/*/adapter_config.json")
    }
    for source, target in named.items():
        expected[target] = tensors[source if source in tensors else "adapter.logits"]
    base = AutoModelForCausalLM.from_pretrained(str(case / "base"), dtype="auto")
    merged = PeftModel.from_pretrained(base, str(case / "adapter")).merge_and_unload()
    merged.save_pretrained(str(folder / "merged"), max_shard_size="12KB")
    expected["merged.logits"] = tensors.get("merged_unloaded.logits", tensors.get("merged_unloaded.default.logits"))
    save_file(expected, str(folder / "expected.safetensors"))


if __name__ == "__main__":
    sys.exit(main())
