#!/usr/bin/env python
"""Reads the decoders that the Java side built and saved with the real transformers, and compares the logits.

    python check_decoders.py FOLDER [--tolerance 1e-4]

FOLDER holds one folder per model: what CausalLM.savePretrained wrote, and expected.safetensors with input_ids,
attention_mask and the logits that Java computed. Prints two lines per model: no key missing, unexpected or of another
shape; logits equal within the tolerance at the positions that attention_mask keeps. Exit status: 0 all good, 1 not.
"""

import argparse
import sys
from pathlib import Path

from check_interop import Report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    report = Report()
    for folder in sorted(f for f in arguments.folder.iterdir() if f.is_dir()):
        check(report, folder, arguments.tolerance)
    return 1 if report.failed else 0


def check(report, folder, tolerance):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    expected = load_file(str(folder / "expected.safetensors"))
    model, info = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype="auto", attn_implementation="eager", output_loading_info=True
    )
    wrong = {kind: sorted(map(str, info[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    report.check(f"{folder.name}: keys", not any(wrong.values()), str(wrong) if any(wrong.values()) else "")
    mask = expected["attention_mask"]
    inputs = {"input_ids": expected["input_ids"], "attention_mask": mask}
    if model.config.model_type in ("gpt2", "bert", "electra"):  # Java counts positions from the mask
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model.eval()(**inputs).logits
    gap = (logits.double() - expected["logits"].double()).abs()[mask == 1].max().item()
    report.check(f"{folder.name}: logits", gap <= tolerance, f"max abs difference {gap:.3e} (tolerance {tolerance:g})")


if __name__ == "__main__":
    sys.exit(main())
