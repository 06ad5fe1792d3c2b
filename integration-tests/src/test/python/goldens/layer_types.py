"""golden/layer_types.json: what get_layer_status calls the layers of each case tuner_*."""

import copy
import importlib
import pkgutil

import goldens
from peft import get_peft_model

from . import common, tuners


def types_of(config, model):
    tuned = get_peft_model(model(), copy.deepcopy(config))
    try:
        return sorted({layer.module_type for layer in tuned.get_layer_status()})
    except TypeError:  # PEFT knows no status of adaption prompts; the name of their class
        return ["adaption_prompt.AdaptedAttention"]


def write(path):
    result = {}
    for found in pkgutil.iter_modules(goldens.__path__):
        if found.name.startswith("tuner_"):
            importlib.import_module(f"goldens.{found.name}")
    for name, values in sorted(tuners.CASES.items()):
        result[name] = types_of(values["config"], values["model"])
    common.write_json(path, result)


SECTIONS = {"layer_types.json": write}
