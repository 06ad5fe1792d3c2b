"""adapter_config.json files as PEFT writes them, what PEFT writes after reading them again, and its errors."""

import contextlib
import copy
import json
import warnings

from peft import (
    ArrowConfig,
    EvaConfig,
    LoftQConfig,
    LoraConfig,
    LoraRuntimeConfig,
    PeftConfig,
    get_peft_model,
)
from peft.tuners.lora.config import BdLoraConfig, CordaConfig, LoraGAConfig

from . import common

QV = ["q_proj", "v_proj"]

WRITTEN = {
    "defaults": dict(),
    "causal_lm": dict(task_type="CAUSAL_LM", r=4, lora_alpha=10, lora_dropout=0.05, target_modules=QV),
    "regex_targets": dict(task_type="SEQ_2_SEQ_LM", target_modules=r".*\.(q|v)$", exclude_modules=r"decoder\..*"),
    "all_fields": dict(
        task_type="CAUSAL_LM", r=7, lora_alpha=3.5, lora_dropout=0.25, target_modules=["c_attn", "c_proj"],
        exclude_modules=["lm_head", "wte"], fan_in_fan_out=True, bias="lora_only", use_rslora=True,
        modules_to_save=["classifier", "score"], layers_to_transform=[0, 3], layers_pattern=["h", "layers"],
        rank_pattern={"c_attn": 2, "^h.0.c_proj": 5}, alpha_pattern={"c_proj": 11}, revision="main",
        base_model_name_or_path="some/model", inference_mode=True,
    ),
    "layers_to_transform_int": dict(target_modules=QV, layers_to_transform=2, layers_pattern="layers"),
    "dora": dict(task_type="CAUSAL_LM", target_modules=QV, use_dora=True,
                 runtime_config=LoraRuntimeConfig(ephemeral_gpu_offload=True)),
    "loftq": dict(target_modules=QV, init_lora_weights="loftq", loftq_config=LoftQConfig(loftq_bits=2, loftq_iter=3)),
    "eva": dict(target_modules=QV, init_lora_weights="eva", eva_config=EvaConfig(rho=1.5, tau=0.9, whiten=True)),
    "corda": dict(target_modules=QV, init_lora_weights="corda", corda_config=CordaConfig(corda_method="kpm")),
    "lora_ga": dict(target_modules=QV, init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(stable_gamma=8)),
    "gaussian_and_tokens": dict(target_modules=QV, init_lora_weights="gaussian",
                                trainable_token_indices={"embed_tokens": [1, 5], "lm_head": [2]}),
    "init_false_bias": dict(target_modules=QV, init_lora_weights=False, lora_bias=True, trainable_token_indices=[3]),
    "alora_arrow": dict(task_type="CAUSAL_LM", target_modules=QV, alora_invocation_tokens=[5, 6, 7],
                        arrow_config=ArrowConfig(top_k=2, router_temperature=0.5)),
    "replication_and_parameters": dict(target_modules=[], layer_replication=[(0, 2), (1, 2)],
                                       target_parameters=["experts.gate_up_proj"], ensure_weight_tying=True,
                                       use_bdlora=BdLoraConfig(target_modules_bd_a=["q_proj"], nblocks=2)),
}

# Files of other versions, written by hand. "from": the class that reads them.
FOREIGN = {
    "old_2023": {
        "base_model_name_or_path": "facebook/opt-350m", "bias": "none", "enable_lora": None, "fan_in_fan_out": False,
        "inference_mode": True, "lora_alpha": 32, "lora_dropout": 0.05, "merge_weights": False,
        "modules_to_save": None, "peft_type": "LORA", "r": 16, "target_modules": ["q_proj", "v_proj"],
        "task_type": "CAUSAL_LM",
    },
    "old_0_4": {
        "auto_mapping": None, "base_model_name_or_path": "facebook/opt-125m", "bias": "none", "fan_in_fan_out": False,
        "inference_mode": True, "init_lora_weights": True, "layers_pattern": None, "layers_to_transform": None,
        "lora_alpha": 16, "lora_dropout": 0.1, "modules_to_save": None, "peft_type": "LORA", "r": 64,
        "revision": None, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM",
    },
    "future": {
        "peft_type": "LORA", "peft_version": "9.0.0", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 10,
        "target_modules": ["q_proj"], "use_telepathy": True, "telepathy_config": {"range": 3},
    },
    "with_runtime_config": {
        "peft_type": "LORA", "peft_version": "0.21.0", "task_type": None, "r": 4, "lora_alpha": 10,
        "target_modules": ["q_proj"], "runtime_config": {"ephemeral_gpu_offload": True},
    },
    "loftq_config_unused": {
        "peft_type": "LORA", "peft_version": "0.10.0", "r": 4, "lora_alpha": 10, "target_modules": ["q_proj"],
        "loftq_config": {"loftq_bits": 4, "loftq_iter": 1}, "init_lora_weights": True,
    },
    "eva_without_config": {
        "peft_type": "LORA", "peft_version": "0.21.0", "r": 4, "lora_alpha": 10, "target_modules": ["q_proj"],
        "init_lora_weights": "eva",
    },
    "null_flags": {
        "peft_type": "LORA", "peft_version": "0.18.0.dev0@abc123", "task_type": None, "r": 4, "lora_alpha": 10,
        "target_modules": ["q_proj"], "inference_mode": None, "fan_in_fan_out": None, "use_rslora": None, "use_dora": None,
        "lora_bias": None, "use_qalora": None, "ensure_weight_tying": None, "rank_pattern": {}, "modules_to_save": None,
        "loftq_config": {}, "megatron_core": None, "eva_config": None, "exclude_modules": None, "layer_replication": None,
    },
    "rank_zero": {"peft_type": "LORA", "peft_version": "0.21.0", "r": 0, "target_modules": ["q_proj"]},
    "bad_task": {"peft_type": "LORA", "peft_version": "0.21.0", "r": 4, "task_type": "FOO"},
    "unknown_peft_type": {"peft_type": "NOPE", "r": 4},
    "no_peft_type": {"r": 4, "lora_alpha": 10, "target_modules": ["q_proj"]},
    "text_as_rank": {"peft_type": "LORA", "peft_version": "0.21.0", "r": "4", "target_modules": ["q_proj"]},
    "not_json": "{\"peft_type\": \"LORA\", ",
}

# Keyword arguments of LoraConfig that fail, in the constructor or when the adapter is created.
ERRORS = [
    dict(r=0, target_modules=QV),
    dict(r=-3, target_modules=QV),
    dict(r=4, task_type="FOO"),
    dict(layers_pattern="layers", target_modules=QV),
    dict(layers_pattern=["layers"], target_modules=QV),
    dict(layers_to_transform=[0], target_modules=".*q_proj"),
    dict(layers_pattern="layers", layers_to_transform=[0], target_modules=".*q_proj"),
    dict(bias="foo", target_modules=QV),
    dict(init_lora_weights="foo", target_modules=QV),
    dict(init_lora_weights="loftq", target_modules=QV),
    dict(init_lora_weights="eva", eva_config={"rho": 0.5}, target_modules=QV),
    dict(eva_config={"tau": 1.5}, target_modules=QV),
    dict(eva_config="yes", target_modules=QV),
    dict(eva_config={"unknown": 1}, target_modules=QV),
    dict(lora_bias=True, init_lora_weights="gaussian", target_modules=QV),
    dict(lora_bias=True, use_dora=True, target_modules=QV),
    dict(use_dora=True, megatron_config={"a": 1}, target_modules=QV),
    dict(target_parameters="experts.weight"),
    dict(target_modules=["nothing"]),
    dict(target_modules=[]),
    dict(lora_alpha=0, target_modules=QV),
    dict(lora_dropout=1.5, target_modules=QV),
    dict(lora_dropout=-0.1, target_modules=QV),
]


def write(folder):
    for name, values in WRITTEN.items():
        write_written(folder / name, values)
    for name, content in FOREIGN.items():
        write_foreign(folder / name, content)
    base = common.tiny_opt()
    common.write_json(
        folder / "errors.json",
        {
            "versions": common.versions(),
            "note": "LoraConfig keyword arguments on a tiny OPT model. stage: 'config' = the constructor raised, "
            "'inject' = get_peft_model raised, 'ok' = accepted (warnings may tell why that is surprising)",
            "rows": [error_row(values, base) for values in ERRORS],
        },
    )


def write_written(folder, values):
    """A file that PEFT wrote, and what reading and writing it again gives."""
    kwargs = copy.deepcopy(values)
    with quiet() as caught:
        LoraConfig(**kwargs).save_pretrained(str(folder))
    reread(folder, {"source": "LoraConfig.save_pretrained", "writeWarnings": messages(caught)})


def write_foreign(folder, content):
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=2, sort_keys=True)
    (folder / "adapter_config.json").write_text(text)
    reread(folder, {"source": "written by hand"})


def reread(folder, facts):
    """expected.json: `config` = the file after PeftConfig.from_pretrained + save_pretrained, or `error`."""
    with quiet() as caught:
        try:
            config = PeftConfig.from_pretrained(str(folder))
            again = folder / "again"
            config.save_pretrained(str(again))
            written = json.loads((again / "adapter_config.json").read_text())
            (again / "adapter_config.json").unlink()
            again.rmdir()
            for key in ("target_modules", "exclude_modules"):
                if isinstance(written[key], list):
                    written[key] = sorted(written[key])
            facts["class"] = type(config).__name__
            facts["config"] = written
        except Exception as error:
            facts["error"] = {"type": type(error).__name__, "message": str(error).replace(str(folder), "<folder>")}
    facts["readWarnings"] = messages(caught)
    common.write_json(folder / "expected.json", facts)


def error_row(values, base):
    row = {"config": values}
    with quiet() as caught:
        stage = "config"
        try:
            config = LoraConfig(**copy.deepcopy(values))
            stage = "inject"
            get_peft_model(copy.deepcopy(base), config)
            row["stage"] = "ok"
        except Exception as error:
            row["stage"] = stage
            row["error"] = {"type": type(error).__name__, "message": str(error)}
    row["warnings"] = messages(caught)
    return row


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def messages(caught):
    return [str(w.message) for w in caught if "Deprecat" not in w.category.__name__]


SECTIONS = {"config_roundtrip": write}
