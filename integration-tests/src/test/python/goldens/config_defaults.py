"""golden/config_defaults.json: every config class of PEFT with its fields and their defaults, by peft_type."""

import dataclasses
import json

from . import common


def default(field):
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None


def plain(value):
    if isinstance(value, set):
        return sorted(value)
    if hasattr(value, "value"):
        return value.value
    try:
        json.dumps(value)
    except TypeError:
        return None
    return value


def write(path):
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    result = {}
    for kind, config in sorted(PEFT_TYPE_TO_CONFIG_MAPPING.items(), key=lambda item: item[0].value):
        fields = {field.name: plain(default(field)) for field in dataclasses.fields(config)}
        result[kind.value] = {"class": config.__name__, "fields": dict(sorted(fields.items()))}
    common.write_json(path, result)


SECTIONS = {"config_defaults.json": write}
