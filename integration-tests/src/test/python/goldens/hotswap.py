"""hotswap_adapter: an adapter that takes another one's place, of equal, smaller or larger rank, on fewer layers, padded."""

import copy
import re

from peft import IA3Config, PeftModel, get_peft_model
from peft.utils.hotswap import hotswap_adapter, prepare_model_for_compiled_hotswap

from . import common
from .lora_opt import lora

QV = {"target_modules": ["q_proj", "v_proj"]}
ADAPTERS = {
    "first": {"r": 4, "lora_alpha": 10, **QV},
    "equal": {"r": 4, "lora_alpha": 6, **QV},
    "smaller": {"r": 2, "lora_alpha": 7, **QV},
    "larger": {"r": 6, "lora_alpha": 9, **QV},
    "fewer": {"r": 3, "lora_alpha": 8, "target_modules": ["layers.0.self_attn.q_proj"]},
    "patterns": {"r": 3, "lora_alpha": 8, "rank_pattern": {"q_proj": 5}, **QV},
    "more": {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj", "fc1"]},
    "dropout": {"r": 4, "lora_alpha": 6, "lora_dropout": 0.1, **QV},
    "rslora": {"r": 4, "lora_alpha": 6, "use_rslora": True, **QV},
    "dora": {"r": 4, "lora_alpha": 6, "use_dora": True, **QV},
}
REFUSED = ["more", "dropout", "rslora", "dora", "ia3"]
PADDED = 8


def write(folder):
    base = common.tiny_opt()
    base.save_pretrained(folder / "base")
    batch = common.causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    for name, values in ADAPTERS.items():
        model = get_peft_model(copy.deepcopy(base), lora(**values)).eval()
        common.fill_trainable(model, salt=len(name))
        model.save_pretrained(folder / name)
        (folder / name / "README.md").unlink()
        tensors[f"fresh.{name}.logits"] = common.logits_of(model, batch)
    model = get_peft_model(copy.deepcopy(base), IA3Config(task_type="CAUSAL_LM"))
    model.save_pretrained(folder / "ia3")
    (folder / "ia3" / "README.md").unlink()

    def load():
        return PeftModel.from_pretrained(copy.deepcopy(base), folder / "first").eval()

    for name in ("equal", "smaller", "larger", "fewer", "patterns"):
        model = load()
        hotswap_adapter(model, str(folder / name), adapter_name="default", torch_device="cpu")
        tensors[f"swapped.{name}.logits"] = common.logits_of(model, batch)
    model = load()
    prepare_model_for_compiled_hotswap(model, target_rank=PADDED)
    tensors["padded.first.logits"] = common.logits_of(model, batch)
    for name in ("smaller", "larger", "fewer", "equal"):
        hotswap_adapter(model, str(folder / name), adapter_name="default", torch_device="cpu")
        tensors[f"padded.{name}.logits"] = common.logits_of(model, batch)
    shapes = {key: list(p.shape) for key, p in model.named_parameters() if "lora_" in key}
    errors = {}
    for name in REFUSED:
        errors[name] = message(lambda: hotswap_adapter(load(), str(folder / name), "default", torch_device="cpu"), folder)
    merged = load()
    merged.merge_adapter()
    errors["merged"] = message(lambda: hotswap_adapter(merged, str(folder / "equal"), "default", torch_device="cpu"), folder)
    errors["too_large"] = message(lambda: prepare_model_for_compiled_hotswap(load(), target_rank=2), folder)
    errors["no_adapter"] = message(lambda: prepare_model_for_compiled_hotswap(base, target_rank=4), folder)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "note": "swapped.patterns.logits: PEFT ignores rank_pattern when it computes the scaling, fresh.* is right",
            "versions": common.versions(),
            "paddedRank": PADDED,
            "paddedShapes": shapes,
            "errors": errors,
        },
    )


def message(call, folder):
    try:
        call()
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {re.sub(re.escape(str(folder)), '', str(error))}"[:300]
    raise AssertionError("no error")


SECTIONS = {"hotswap": write}
