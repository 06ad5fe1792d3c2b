"""README.md of adapters and pushed models: front matter, and READMEs that are there already."""

import tempfile
from pathlib import Path
from unittest import mock

import torch
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.errors import EntryNotFoundError
from peft import IA3Config, TaskType, get_peft_model
from peft.tuners.tuners_utils import BaseTuner
from transformers.utils.hub import create_and_tag_model_card

from . import common
from .lora_opt import lora

# Without line breaks, at which PyYAML folds.
NAMES = [
    "facebook/opt-350m", "", "a b", "123", "1e3", "1.5", "1.5e+3", "-7", "+7", "0x1F", "0b11", "017", "1_000", "1:30", "1:30.5",
    ".5", ".inf", "-.INF", ".nan", "true", "True", "yes", "No", "on", "y", "null", "~", "Null", "none", "2024-01-01",
    "2024-1-1", "2024-01-01 10:00:00", "2024-01-01T10:00:00Z", "@org/x", "a: b", "a:b", "a:", ":a", "a #b", "a#b", "#a", "it's",
    "'x'", '"x"', 'a"b', "ünïcode/模型", "emoji\U0001f600", "-x", "- x", "-", "--- x", "---", "...", "...x", "C:\\models\\x", "/data/models/x",
    "=", "<<", "a,b", "[x]", "{x}", "x]", "%x", "&a", "*a", "!a", "!", "&", "|x", ">x", "`x", "a\tb", "a  b", " a", "a ", "?x", "? x", "?", "a?",
    "a\u00a0b", "\ufeffa", "a\x07b", "a\x1bb", "a\x01b", "a\\b\tc", "\x7f", "a!b", "a\ud7ffb",
]

QUANTIZATION = {
    "_load_in_4bit": True, "_load_in_8bit": False, "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True, "llm_int8_skip_modules": None, "llm_int8_threshold": 6.0,
    "quant_method": "bitsandbytes", "load_in_4bit": True, "list": ["lm_head", "x"],
}

NAME = "facebook/opt-350m"

# An existing README, and the tags that the user put into it (PEFT drops them: here it hears of them as the model's tags).
CASES = {
    "new": dict(),
    "new_ia3": dict(method="ia3"),
    "new_classifier": dict(model="classifier"),
    "new_custom": dict(model="custom"),
    "new_tags": dict(tags=["zebra", "apple"]),
    "new_quantized": dict(quantization=QUANTIZATION),
    "text_only": dict(before="# Mine\n\nText.\n"),
    "text_without_end": dict(before="# Mine\n\nText."),
    "empty": dict(before=""),
    "front_only": dict(before="---\nlicense: mit\n---\n"),
    "front": dict(before="---\nlicense: mit\nlanguage:\n- en\n- de\n---\n\n# Mine\n\nText.\n\n"),
    "own_tags": dict(before="---\nlicense: mit\ntags:\n- mine\n- 'no'\n---\n# Mine\n", tags=["mine", "no"]),
    "own_tags_first": dict(before="---\ntags:\n- mine\nlicense: mit\n---\n# Mine\n", tags=["mine"]),
    "inline_tags": dict(before="---\ntags: [\"b c\", 'it''s', a]\nlicense: mit\n---\n# Mine\n", tags=["b c", "it's", "a"]),
    "old_base": dict(before="---\nbase_model: other/base\nlibrary_name: transformers\ntags:\n- base_model:adapter:other/base\n"
                     "- lora\n- transformers\n---\n# Mine\n"),
    "base_list": dict(before="---\nbase_model:\n- a/b\n- c/d\nlicense: mit\n---\n# Mine\n"),
    "pipeline": dict(before="---\npipeline_tag: feature-extraction\n---\n# Mine\n"),
    "pipeline_null": dict(before="---\npipeline_tag:\nlicense: mit\n---\n# Mine\n"),
    "pipeline_of_classifier": dict(model="classifier", before="---\npipeline_tag: other\n---\n# Mine\n"),
    "old_version": dict(before="---\nlicense: mit\n---\n# Mine\n\n### Framework versions\n\n- PEFT 0.5.0\n- Torch 2\n\nEnd.\n"),
    "same_version": dict(before="---\nlicense: mit\n---\n# Mine\n\n### Framework versions\n\n- PEFT 0.21.0\n- Torch 2\n"),
    "version_at_end": dict(before="# Mine\n### Framework versions"),
    "spaces": dict(before="\n \n---\nlicense: mit\n---  \n\n\n# Mine\n---\nnot front matter\n---\n"),
    "procedure": dict(before="---\nlicense: mit\n---\n# Mine\n\n## Training procedure\n\nTrained.\n\n## More\n", quantization=QUANTIZATION),
    "quantized_twice": dict(before="# Mine\n\n## Training procedure\n\n\nThe following `bitsandbytes` quantization config was used"
                            " during training:\n- quant_method: bitsandbytes\n", quantization=QUANTIZATION),
    "nested": dict(before="---\nlicense: mit\nmodel-info:\n  name: x\n  values:\n  - 1\n  - 2.5\n---\n# Mine\n"),
    "custom_existing": dict(model="custom", before="---\nlicense: mit\ntags:\n- mine\n---\n# Mine\n", tags=["mine"]),
}

TRANSFORMERS = {
    "new": dict(tags=None),
    "new_tags": dict(tags=["zebra", "apple"]),
    "existing": dict(before="---\nlicense: mit\n---\n\n# Mine\n\nText.\n", tags=None),
    "existing_tags": dict(before="---\nlicense: mit\ntags:\n- mine\n---\n\n# Mine\n\nText.\n", tags=["zebra", "mine", "apple"]),
}


class Quantized(dict):
    """A config as PEFT takes it to be: the test for `quantization_config` in 0.21 looks at a dict and never finds it."""

    def __init__(self, config, quantization):
        super().__init__(config)
        self.quantization_config = mock.Mock(to_dict=lambda: quantization)


def adapted(case):
    method, kind = case.get("method", "lora"), case.get("model", "causal")
    if kind == "custom":
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
        config = lora(r=2, lora_alpha=3, target_modules=["0"])
        config.task_type = None
        return get_peft_model(net, config)
    base = common.tiny_opt()
    if method == "ia3":
        return get_peft_model(base, IA3Config(task_type=TaskType.CAUSAL_LM, target_modules=["k_proj"], feedforward_modules=[]))
    config = lora(r=2, lora_alpha=3, target_modules=["q_proj"])
    if kind == "classifier":
        config.task_type = TaskType.FEATURE_EXTRACTION
    return get_peft_model(base, config)


def card(model, case, name=NAME):
    base = model.get_base_model()
    if case.get("model") != "custom":
        base.name_or_path = base.config._name_or_path = name
    base.model_tags = case.get("tags")
    with tempfile.TemporaryDirectory() as folder:
        readme = Path(folder, "README.md")
        if "before" in case:
            readme.write_bytes(case["before"].encode())
        if "quantization" in case:
            fake = Quantized(BaseTuner.get_model_config(model), case["quantization"])
            with (mock.patch.object(BaseTuner, "get_model_config", staticmethod(lambda _: fake)),
                  mock.patch.object(model, "config", fake)):
                model.create_or_update_model_card(folder)
        else:
            model.create_or_update_model_card(folder)
        return readme.read_bytes().decode()


def front(text):
    """The front matter of a new card: the text below is a template that this project does not use."""
    return text[: text.index("\n---\n") + 5]


def transformers_card(case):
    with tempfile.TemporaryDirectory() as folder:
        readme = Path(folder, "README.md")
        if "before" in case:
            readme.write_bytes(case["before"].encode())
            return str(create_and_tag_model_card(str(readme), case["tags"]))
        error = EntryNotFoundError("")
        with mock.patch.object(ModelCard, "load", side_effect=error):
            return front(str(create_and_tag_model_card("org/absent", case["tags"])))


def write(path):
    models = {}
    cases = []
    for label, case in CASES.items():
        kind = (case.get("method", "lora"), case.get("model", "causal"))
        models.setdefault(kind, adapted(case))
        text = card(models[kind], case)
        after = text if "before" in case else front(text)
        if "before" not in case and "quantization" in case:
            after += text[text.index("## Training procedure\n") - 1:]
        cases.append({"case": label, "method": kind[0], "model": kind[1], "base": NAME, "after": after,
                      **{key: case[key] for key in ("before", "tags", "quantization") if key in case}})
    names = {name: front(card(models["lora", "causal"], {}, name)) for name in NAMES}
    scalars = {name: yaml.dump({"tags": [name]}, allow_unicode=True).rstrip("\n") for name in NAMES}
    pushed = [{"case": label, **case, "after": transformers_card(case)} for label, case in TRANSFORMERS.items()]
    common.write_json(path, {"versions": common.versions(), "cases": cases, "names": names, "lists": scalars,
                             "transformers": pushed})


SECTIONS = {"model_cards.json": write}
