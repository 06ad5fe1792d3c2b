#!/usr/bin/env python
"""Reads adapters that the Java side saved for models of other numbers of tokens with the real PEFT, and compares logits.

    python check_resized.py FOLDER [--tolerance 1e-4]

FOLDER holds what ResizedInteropIT writes with -Dinterop.resized=FOLDER: one adapter folder a case, some with a tokenizer, and
expected.safetensors (input_ids, attention_mask, logits). An adapter with a tokenizer is read by the Auto class of its task,
which makes room for the tokens; for others the base is resized first. Run it in the folder integration-tests: the adapters
name their base models from there. Prints one line per adapter. Exit status: 0 all good, 1 a check failed.
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

EAGER = {"attn_implementation": "eager"}
TABLES = ("embed_tokens.weight", "word_embeddings.weight", "shared.weight", "lm_head.weight", "base_layer.weight")
KINDS = {"CAUSAL_LM": "CausalLM", "SEQ_2_SEQ_LM": "Seq2SeqLM", "SEQ_CLS": "SequenceClassification"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    import torch

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


def is_copy(key):
    """What PEFT writes of the wrapper around a module that is trained in full, beside that module."""
    return ".original_module." in key or ".modules_to_save." in key


def load(folder, config, tokens):
    """The model, and how it came to its tokens."""
    import peft
    import transformers

    kind = KINDS[config["task_type"]]
    if (folder / "tokenizer_config.json").exists():
        return getattr(peft, f"AutoPeftModelFor{kind}").from_pretrained(str(folder), **EAGER), "its tokenizer"
    base = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(config["base_model_name_or_path"], **EAGER)
    if tokens != base.config.vocab_size:
        base.resize_token_embeddings(tokens)
    return peft.PeftModel.from_pretrained(base, str(folder)), "a call" if tokens != 40 else "its base"


def check(folder, tolerance):
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text())
    saved = load_file(str(folder / "adapter_model.safetensors"))
    batch = load_file(str(folder / "expected.safetensors"))
    expected = batch.pop("logits")
    tables = [key for key in saved if key.endswith(TABLES)]
    tokens = max(saved[key].shape[0] for key in tables)
    model, reason = load(folder, config, tokens)
    model.eval()
    wanted = get_peft_model_state_dict(model, save_embedding_layers=True if tokens == 40 else "auto")
    extra, lacking = set(saved) - set(wanted), {key for key in set(wanted) - set(saved) if not is_copy(key)}
    # PEFT forgets the other table where one has an adapter
    if lacking or not extra <= set(tables):
        return True, f"other keys: only here {sorted(extra)}, only in PEFT {sorted(lacking)}"
    if config["task_type"] == "SEQ_2_SEQ_LM":
        batch["labels"] = batch["input_ids"]
    with torch.no_grad():
        logits = model(**batch).logits
    gap = ((logits - expected).abs() / (1 + expected.abs()))
    if logits.dim() == 3 and config["task_type"] == "CAUSAL_LM":
        gap = gap * batch["attention_mask"].unsqueeze(-1)
    gap = gap.max().item()
    return not gap <= tolerance, f"{tokens} tokens from {reason}, {len(saved)} keys, {len(tables)} of tables, {gap:.1e}"


if __name__ == "__main__":
    sys.exit(main())
