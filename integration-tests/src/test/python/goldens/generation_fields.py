"""Every setting that transformers' GenerationConfig has, with its default."""

from transformers import GenerationConfig

from . import common


def write(path):
    fields = {name: value for name, value in vars(GenerationConfig()).items() if not name.startswith("_")}
    common.write_json(path, {"versions": common.versions(), "fields": dict(sorted(fields.items()))})


SECTIONS = {"generation_fields.json": write}
