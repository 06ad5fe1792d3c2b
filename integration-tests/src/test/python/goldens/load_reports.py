"""golden/load_reports.json: what transformers says of a folder's weights that do not fit a model, for folders of other goldens.

Rows {folder, head, labels, extra, missing, unexpected, mismatched, report}: `head` is the model that is loaded from the folder, with
that number of labels and `ignore_mismatched_sizes`; `extra` are names of weights [1] that the file has beside its own. `report`, of
BERT only, the lines of the warning without colours, or null; those of its table come in the order of a set.
"""

import logging
import re
import shutil
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from . import common

CLASSES = {
    "base": transformers.AutoModel,
    "masked_lm": transformers.AutoModelForMaskedLM,
    "sequence": transformers.AutoModelForSequenceClassification,
    "token": transformers.AutoModelForTokenClassification,
    "span": transformers.AutoModelForQuestionAnswering,
    "causal_lm": transformers.AutoModelForCausalLM,
}
ENCODERS = ["base", "masked_lm", "sequence", "token", "span"]
DECODERS = ["base", "causal_lm", "sequence", "token", "span"]
CASES = {
    "heads_bert": ENCODERS,
    "heads_roberta": ENCODERS,
    "heads_distilbert": ENCODERS,
    "heads_electra": ENCODERS,
    "heads_deberta_v3": ENCODERS,
    "heads_gpt2": DECODERS,
    "heads_llama": ["base", "sequence", "token"],
    "heads_opt": ["base", "causal_lm", "sequence", "span"],
    "heads_bloom": DECODERS,
}

EXTRA = [f"other.{i}.{j}.weight" for i in range(2) for j in range(12)] + ["other.1.bias", "bert.encoder.layer.7.new", "x3.y"]


class Lines(logging.Handler):
    """Keeps the one report."""

    def __init__(self):
        super().__init__()
        self.report = None

    def emit(self, record):
        text = record.getMessage()
        if "LOAD REPORT" in text:
            self.report = re.sub("\x1b" + r"?\[[0-9;]*m", "", text)


def load(folder, head, labels):
    lines = Lines()
    logger = transformers_logging.get_logger("transformers")
    logger.addHandler(lines)
    logging.disable(logging.NOTSET)
    try:
        model, info = CLASSES[head].from_pretrained(
            folder, num_labels=labels, ignore_mismatched_sizes=True, output_loading_info=True
        )
    finally:
        logging.disable(logging.WARNING)
        logger.removeHandler(lines)
    return {
        "missing": sorted(info["missing_keys"]),
        "unexpected": sorted(info["unexpected_keys"]),
        "mismatched": sorted([key, list(a), list(b)] for key, a, b in info["mismatched_keys"]),
        "report": lines.report and lines.report.replace(str(folder), "<folder>").split("\n"),
    }


def with_extra(folder, names):
    copy = common.Path(tempfile.mkdtemp())
    shutil.copy(folder / "config.json", copy)
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, **{name: torch.ones(1) for name in names}}, copy / "model.safetensors", {"format": "pt"})
    return copy


def row(golden, folder, head, labels, extra):
    place = with_extra(golden / folder, extra) if extra else golden / folder
    result = {"folder": folder, "head": head, "labels": labels, "extra": extra, **load(place, head, labels)}
    if "heads_bert" not in folder:
        del result["report"]
    return result


def write(path):
    golden = common.Path(__file__).parents[2] / "resources" / "golden"
    rows = [row(golden, "heads_bert/sequence", "sequence", 5, EXTRA)]
    for name, kinds in CASES.items():
        for folder in sorted(golden.joinpath(name).iterdir()):
            if not folder.is_dir() or (name, folder.name) == ("heads_llama", "span"):
                continue  # Python's Llama with this head has the backbone under another name than every other Llama
            for head in kinds:
                wanted = (2,) if head == "span" else (3, 5) if folder.name == head != "base" else (3,)
                for labels in wanted:
                    rows.append(row(golden, f"{name}/{folder.name}", head, labels, []))
    path.write_text("[\n" + ",\n".join(common.json.dumps(row) for row in rows) + "\n]\n")


SECTIONS = {"load_reports.json": write}
