#!/usr/bin/env python
"""Reads adapters of every tuning method that the Java side wrote with the real PEFT, and compares logits.

    python check_tuners.py FOLDER [--tolerance 1e-4]

FOLDER holds what TunersInteropIT writes with -Dinterop.tuners=FOLDER: one adapter folder a case, with
expected.safetensors: logits (of answers begin and end side by side) without those of virtual tokens, and 0 where
attention_mask is 0. Base models and inputs are those of the golden case.
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

import torch  # noqa: E402
import transformers  # noqa: E402
from goldens import qlora, tuner_boft  # noqa: E402, F401  torch stands in for BOFT's CUDA extension
from goldens import tuner_lora_variants  # noqa: E402, F401  QALoRA works over plain layers

MODELS = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
}
GOLDEN = Path(__file__).parent.parent / "resources" / "golden"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for folder in sorted(arguments.folder.iterdir()):
        try:
            problem, detail = check(folder, arguments.tolerance)
        except Exception as error:  # noqa: BLE001
            problem, detail = True, f"{type(error).__name__}: {str(error)[:200]}"
        failed |= problem
        print(f"{'FAIL' if problem else 'ok'}  {folder.name}  {detail}", flush=True)
    return int(failed)


def check(folder, tolerance):
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file

    golden = GOLDEN / folder.name
    shared = json.loads((golden / "case.json").read_text()).get("base")
    place = GOLDEN / shared if isinstance(shared, str) else golden / "base"
    config = json.loads((folder / "adapter_config.json").read_text())
    task = config["task_type"]
    model = PeftModel.from_pretrained(load_base(task, place), str(folder)).eval()
    known = model.peft_config["default"].to_dict().keys() - {"runtime_config"}
    if set(config) != known:
        return True, f"other settings: {sorted(set(config) ^ known)[:4]}"
    saved = load_file(str(folder / "adapter_model.safetensors"))
    wanted = get_peft_model_state_dict(model)
    if set(saved) != set(wanted):
        return True, f"other keys: {sorted(set(saved) ^ set(wanted))[:4]}"
    if any(saved[key].shape != value.shape for key, value in wanted.items()):
        return True, "other shapes"
    logits = compute(model, task, load_file(str(golden / "io.safetensors")))
    expected = load_file(str(folder / "expected.safetensors"))["logits"]
    gap = ((logits - expected).abs() / (1 + expected.abs())).max().item()
    allowed = 0.05 if folder.name.endswith("bfloat16") else tolerance
    return not gap <= allowed, f"{config['peft_type']}, {len(saved)} keys, {gap:.1e}"


def load_base(task, place):
    from peft import prepare_model_for_kbit_training

    if "quantization_config" in json.loads((place / "config.json").read_text()):
        return prepare_model_for_kbit_training(qlora.quantized_model(place, torch.float32))
    return getattr(transformers, MODELS[task]).from_pretrained(str(place), dtype="auto", attn_implementation="eager")


def compute(model, task, inputs):
    """The logits as Java writes them."""
    batch = {key[3:]: value for key, value in inputs.items() if key.startswith("in.")}
    if task != "SEQ_2_SEQ_LM":
        for name in ("labels", "start_positions", "end_positions"):
            batch.pop(name, None)
    with torch.no_grad():
        output = model(**batch)
    if "start_logits" in output:
        logits = torch.stack((output.start_logits, output.end_logits), -1)
    else:
        logits = output.logits.float()
    if task in ("SEQ_2_SEQ_LM", "SEQ_CLS"):
        return logits
    mask = batch["attention_mask"]
    return logits[:, -mask.shape[1] :] * mask.unsqueeze(-1)


if __name__ == "__main__":
    sys.exit(main())
