#!/usr/bin/env python
"""Reads adapters of every tuning method that the Java side wrote with the real PEFT, and compares logits.

    python check_tuners.py FOLDER [--tolerance 1e-4]

FOLDER holds what TunersInteropIT writes with -Dinterop.tuners=FOLDER: one adapter folder a case, with
expected.safetensors (logits, 0 where attention_mask is 0). Base models and inputs are those of the golden case.
Prints one line per adapter. Exit status: 0 all good, 1 a check failed.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

GOLDEN = Path(__file__).parent.parent / "resources" / "golden"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    import torch

    from goldens import tuner_boft  # noqa: F401  torch stands in for BOFT's CUDA extension

    torch.set_num_threads(1)
    failed = False
    for folder in sorted(arguments.folder.glob("tuner_*")):
        try:
            problem, detail = check(folder, arguments.tolerance)
        except Exception as error:  # noqa: BLE001
            problem, detail = True, f"{type(error).__name__}: {str(error)[:200]}"
        failed |= problem
        print(f"{'FAIL' if problem else 'ok'}  {folder.name}  {detail}", flush=True)
    return int(failed)


def check(folder, tolerance):
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    golden = GOLDEN / folder.name
    facts = json.loads((golden / "case.json").read_text())
    inputs = load_file(str(golden / "io.safetensors"))
    base = AutoModelForCausalLM.from_pretrained(str(GOLDEN / facts["base"]), dtype="auto")
    model = PeftModel.from_pretrained(base, str(folder)).eval()
    saved = load_file(str(folder / "adapter_model.safetensors"))
    wanted = get_peft_model_state_dict(model)
    if set(saved) != set(wanted):
        return True, f"other keys: {sorted(set(saved) ^ set(wanted))[:4]}"
    if any(saved[key].shape != value.shape for key, value in wanted.items()):
        return True, "other shapes"
    mask = inputs["in.attention_mask"]
    with torch.no_grad():
        tasks = {"task_ids": inputs["in.task_ids"]} if "in.task_ids" in inputs else {}
        logits = model(input_ids=inputs["in.input_ids"], attention_mask=mask, **tasks).logits
    expected = load_file(str(folder / "expected.safetensors"))["logits"]
    gap = ((logits * mask.unsqueeze(-1) - expected).abs() / (1 + expected.abs())).max().item()
    return not gap <= tolerance, f"{model.peft_config['default'].peft_type.value}, {len(saved)} keys, {gap:.1e}"


if __name__ == "__main__":
    sys.exit(main())
