"""hub_configs.json: what transformers reads from config.json files as the hub has them, of versions 4.5 to 5.

The files are in `hub_configs.json` beside this script: those of well-known models, and a few with rare contents.
"""

import json
import tempfile
from pathlib import Path

from transformers import AutoConfig, GenerationConfig

from . import common

FILES = Path(__file__).with_suffix(".json")
VERSION = "transformers_version"


def read(given):
    """The config as it is saved again, its labels, and the generation settings of a model without a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        common.write_json(Path(folder) / "config.json", given)
        config = AutoConfig.from_pretrained(folder)
        generation = GenerationConfig.from_pretrained(
            folder, config_file_name="config.json", _from_model_config=True
        ).to_diff_dict()
        config.save_pretrained(folder)
        saved = json.loads((Path(folder) / "config.json").read_text())
    for values in (generation, saved):
        values.pop(VERSION, None)
    return {"given": given, "config": saved, "labels": list(config.id2label.values()), "generation": generation}


def write(path):
    common.write_json(path, {name: read(given) for name, given in json.loads(FILES.read_text()).items()})


SECTIONS = {"hub_configs.json": write}
