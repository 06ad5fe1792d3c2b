#!/usr/bin/env python
"""Reads quantized models that the Java side made and saved, with transformers and the arithmetic of bitsandbytes.

    python check_quantized.py FOLDER [--tolerance 1e-4]

FOLDER holds what QuantizedInteropIT writes with -Dinterop.quantized=FOLDER: for each case dense/ (the model before),
packed/ (after) and expected.safetensors (input_ids, logits of the packed model). bitsandbytes is not needed: packed weights
are made dense as goldens/qlora.py does, from the keys that bitsandbytes writes, and put into the model of transformers.

Checks: transformers' BitsAndBytesConfig reads quantization_config and would write the same; the file has the keys, types
and shapes that bitsandbytes gives it; every dense weight is as near to the original as its format allows; equal logits.
Prints one line per model. Exit status: 0 all good, 1 a check failed.
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
from goldens import qlora  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig  # noqa: E402

# half of the largest distance of neighbours among the codes, as a share of the largest value; int8: of 1 / 127, of values
# that were rounded to float16
REACH = {"nf4": 0.152, "fp4": 0.167, "int8": 0.5 / 127 + 2**-11}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for folder in sorted(arguments.folder.iterdir()):
        try:
            detail = check(folder, arguments.tolerance)
            problem = False
        except Exception as error:  # noqa: BLE001
            problem, detail = True, f"{type(error).__name__}: {str(error)[:300]}"
        failed |= problem
        print(f"{'FAIL' if problem else 'ok'}  {folder.name}  {detail}", flush=True)
    return int(failed)


def check(folder, tolerance):
    written = json.loads((folder / "packed" / "config.json").read_text())["quantization_config"]
    settings = check_settings(written)
    dense, packed = (load_file(str(folder / part / "model.safetensors")) for part in ("dense", "packed"))
    with safe_open(str(folder / "packed" / "model.safetensors"), "pt") as file:
        assert file.metadata() == {"format": "pt"}, file.metadata()
    config = AutoConfig.from_pretrained(str(folder / "packed"))
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    layers = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    state = {key: value for key, value in packed.items() if key in model.state_dict()}
    kind = "int8" if settings.load_in_8bit else settings.bnb_4bit_quant_type
    worst = 0.0
    for name in layers:
        check_layer(packed, name, settings, dense[f"{name}.weight"])
        state[f"{name}.weight"] = value = qlora.unpack(packed, name)[0]
        worst = max(worst, distance(value, dense[f"{name}.weight"], kind))
    scales = 0.01 if settings.load_in_4bit and settings.bnb_4bit_use_double_quant else 0
    assert worst <= REACH[kind] + scales, worst
    report = model.load_state_dict(state, strict=False)
    tied = ["lm_head.weight"] if config.tie_word_embeddings else []
    assert not report.unexpected_keys and set(report.missing_keys) <= set(tied), report
    model.tie_weights()
    expected = load_file(str(folder / "expected.safetensors"))
    with torch.no_grad():
        logits = model.eval()(input_ids=expected["input_ids"]).logits
    gap = ((logits - expected["logits"]).abs() / (1 + expected["logits"].abs())).max().item()
    assert gap <= tolerance, f"logits differ by {gap}"
    return f"{len(layers)} layers, {len(packed)} keys, weights within {worst:.4f} of the largest, logits {gap:.1e}"


def check_settings(written):
    settings = BitsAndBytesConfig.from_dict(dict(written))
    again = settings.to_dict()
    different = {key for key in again.keys() | written.keys() if again.get(key, "-") != written.get(key, "-")}
    assert not different, f"quantization_config differs in {sorted(different)}"
    return settings


def check_layer(packed, name, settings, dense):
    """The names, types and shapes of what bitsandbytes keeps of one layer."""
    own = {key[len(name) + 1 :]: value for key, value in packed.items() if key.startswith(name + ".")}
    own.pop("bias", None)
    rows, columns = dense.shape
    if settings.load_in_8bit:
        assert set(own) == {"weight", "SCB", "weight_format"}, sorted(own)
        assert own["weight"].dtype == torch.int8 and own["weight"].shape == dense.shape
        assert own["SCB"].dtype == torch.float32 and own["SCB"].shape == (rows,)
        assert own["weight_format"].dtype == torch.uint8 and own["weight_format"].item() == 0
        return
    kind, storage = settings.bnb_4bit_quant_type, settings.bnb_4bit_quant_storage
    storage = getattr(torch, storage) if isinstance(storage, str) else storage
    blocks = -(-rows * columns // 64)
    wanted = {"weight", "weight.absmax", "weight.quant_map", f"weight.quant_state.bitsandbytes__{kind}"}
    nested = settings.bnb_4bit_use_double_quant
    if nested:
        wanted |= {"weight.nested_absmax", "weight.nested_quant_map"}
        assert own["weight.nested_absmax"].shape == (-(-blocks // 256),)
        assert own["weight.nested_quant_map"].shape == (256,)
    assert set(own) == wanted, sorted(set(own) ^ wanted)
    assert own["weight"].dtype == storage
    assert own["weight"].shape == (rows * columns // 2 // own["weight"].element_size(), 1), own["weight"].shape
    assert own["weight.absmax"].dtype == (torch.uint8 if nested else torch.float32)
    assert own["weight.absmax"].shape == (blocks,) and own["weight.quant_map"].shape == (16,)
    state = json.loads(bytes(own[f"weight.quant_state.bitsandbytes__{kind}"].tolist()))
    keys = {"quant_type", "blocksize", "dtype", "shape"}
    if nested:
        keys |= {"nested_blocksize", "nested_dtype", "nested_offset"}
    assert set(state) == keys, sorted(state)
    assert state["quant_type"] == kind and state["blocksize"] == 64 and state["shape"] == [rows, columns], state


def distance(value, dense, kind):
    """The largest change of a weight, as a share of the largest one of its block or row."""
    groups = (dense.shape[0], -1) if kind == "int8" else (-1, 64)
    value, dense = value.reshape(groups), dense.float().reshape(groups)
    return ((value - dense).abs().amax(1) / dense.abs().amax(1)).max().item()


if __name__ == "__main__":
    sys.exit(main())
