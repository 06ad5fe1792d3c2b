"""golden/field_table: the fields that say where an adapter goes and how strong it is, over five kinds of models.

case.json:
  models  name -> base (its folder), batch
  rows    {row, model, type, config (as given)} -> targeted (paths in order), trained {name -> shape}, layers {path -> [r, scaling]},
          saved (keys of the file, where these are not the trained names without the adapter's), written (the config's fields that
          are not as their class has them), fresh (whether a new adapter changes nothing), mergedGap (how far merging moves Python's
          logits; absent where it fails); or error
io.safetensors: `<model>.<input>`, `<row>.logits` with the values of `value()` in every trained parameter.
bert_LORA_bias_all/: the adapter of that row as PEFT saves it, with keys that Java does not write.
"""

import copy
import json
import tempfile
import zlib
from pathlib import Path

import numpy
import torch
import transformers
from peft import IA3Config, LoHaConfig, LoraConfig, get_peft_model
from safetensors import safe_open
from transformers import T5Config

from . import common, heads, t5
from .lora_decoders import tiny_gpt2, tiny_llama

SCALE = 0.3


def value(name, shape):
    """Values in [-0.3, 0.3) from the name alone, in whole numbers, so that any program can make them."""
    count = int(numpy.prod(shape))
    mask = numpy.uint64(0xFFFFFFFF)
    x = (numpy.arange(count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B1) + numpy.uint64(zlib.crc32(name.encode()))) & mask
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ((x ^ (x >> numpy.uint64(shift))) * numpy.uint64(factor)) & mask
    x ^= x >> numpy.uint64(16)
    return torch.from_numpy(((x.astype(numpy.float64) / 2**31 - 1) * SCALE).astype(numpy.float32)).reshape(shape)


def plain_value(default):
    return json.loads(json.dumps(default, default=lambda other: getattr(other, "value", None)))


def tiny_bert():
    return common.loud(transformers.BertForSequenceClassification(heads.config("bert", "sequence")), seed=50)


def tiny_t5():
    with tempfile.TemporaryDirectory() as folder:
        return t5.tiny(Path(folder), T5Config, {"num_layers": 2, "num_decoder_layers": 2})


def opt_batch():
    return {"input_ids": torch.tensor([[2, 5, 6, 17, 8], [9, 33, 4, 11, 29]])}


def t5_batch():
    ids = torch.tensor([[5, 6, 17, 8, 1], [9, 33, 4, 29, 1]])
    return {"input_ids": ids, "labels": torch.tensor([[12, 7, 3, 1], [38, 2, 21, 1]])}


class Names:
    """What the table needs to know of an architecture."""

    def __init__(self, make, base, batch, task, attention, inner, first, stack, table, head, norm):
        self.make, self.base, self.batch, self.task = make, base, batch, task
        self.attention, self.inner, self.first, self.stack = attention, inner, first, stack
        self.table, self.head, self.norm = table, head, norm


MODELS = {
    "opt": Names(lambda: common.tiny_opt(tie_word_embeddings=False), "opt_embedding/base", opt_batch, "CAUSAL_LM",
                 ["q_proj", "v_proj"], "fc1", "model.decoder.layers.0.self_attn.q_proj", "layers", "embed_tokens", "lm_head",
                 "final_layer_norm"),
    "llama": Names(tiny_llama, "llama_lora/base", opt_batch, "CAUSAL_LM", ["q_proj", "v_proj"], "up_proj",
                   "model.layers.0.self_attn.q_proj", "layers", "embed_tokens", "lm_head", "input_layernorm"),
    "gpt2": Names(tiny_gpt2, "gpt2_lora/base", opt_batch, "CAUSAL_LM", ["attn.c_attn", "attn.c_proj"], "mlp.c_fc",
                  "transformer.h.0.attn.c_attn", "h", "wte", "lm_head", "ln_f"),
    "bert": Names(tiny_bert, "bert_lora/base", opt_batch, "SEQ_CLS", ["query", "value"], "intermediate.dense",
                  "bert.encoder.layer.0.attention.self.query", "layer", "word_embeddings", "classifier", "attention.output.LayerNorm"),
    "t5": Names(tiny_t5, "mixed_batches/t5_base/model", t5_batch, "SEQ_2_SEQ_LM", ["q", "v"], "wi",
                "encoder.block.0.layer.0.SelfAttention.q", "block", "shared", "lm_head", "final_layer_norm"),
}


def both(names):
    """Fields that LoRA, IA3 and LoHa have, or two of them."""
    q, v = names.attention
    regex = rf".*\.({names.inner.split('.')[-1]}|{v.split('.')[-1]})$"
    yield "defaults", {"target_modules": None}
    yield "regex", {"target_modules": regex}
    yield "all-linear", {"target_modules": "all-linear"}
    yield "exclude list", {"exclude_modules": [v]}
    yield "exclude one path", {"exclude_modules": [names.first]}
    yield "exclude regex", {"target_modules": "all-linear", "exclude_modules": rf".*{names.stack}\.0\..*|.*{v}"}
    yield "head trained in full", {"modules_to_save": [names.head]}
    yield "table trained in full", {"modules_to_save": [names.table]}
    yield "several trained in full", {"modules_to_save": [names.table, names.head, names.norm, names.inner]}


def layered(names):
    """Fields of LoRA and LoHa."""
    q, v = names.attention
    yield "one layer", {"layers_to_transform": 1}
    yield "layers with a pattern", {"layers_to_transform": [1], "layers_pattern": [names.stack]}
    yield "another pattern", {"layers_to_transform": [0], "layers_pattern": "nothing"}
    yield "rank by suffix", {"rank_pattern": {v: 2}, "alpha_pattern": {q: 7}}
    yield "rank by path", {"rank_pattern": {f"^{names.first}": 3}, "alpha_pattern": {f"^{names.first}$": 9}}
    yield "rank by regex", {"rank_pattern": {rf".*\.1\..*{v}": 5}, "alpha_pattern": {rf"{names.stack}\.\d+\..*": 6}}
    yield "the first of several patterns", {
        "rank_pattern": {rf".*\.0\..*": 2, q: 3, ".*": 6}, "alpha_pattern": {q: 5, rf"^.*{v}$": 12, ".*": 3}}


def of_lora(names):
    yield "rslora with patterns", {"use_rslora": True, "rank_pattern": {names.attention[0]: 9}}
    yield "lora_bias", {"lora_bias": True}
    yield "bias all", {"bias": "all"}
    yield "bias lora_only", {"bias": "lora_only"}
    yield "fan_in_fan_out", {"fan_in_fan_out": True}
    yield "not fan_in_fan_out", {"fan_in_fan_out": False}
    yield "table", {"target_modules": [names.attention[0], names.table]}
    yield "dora with patterns", {"use_dora": True, "rank_pattern": {names.attention[0]: 2}}
    yield "trained tokens", {"trainable_token_indices": [5, 9, 17]}
    yield "trained tokens by table", {"trainable_token_indices": {names.table: [5, 33]}}
    for init in (False, "gaussian", "pissa", "pissa_niter_2", "olora", "orthogonal"):
        yield f"init {init}", {"init_lora_weights": init}
    yield "everything", {
        "target_modules": "all-linear", "exclude_modules": [names.attention[1]], "rank_pattern": {names.inner: 2},
        "alpha_pattern": {rf".*\.1\..*": 5}, "use_rslora": True, "lora_bias": True, "modules_to_save": [names.table]}


def of_ia3(names):
    inner = names.inner
    yield "feedforward", {"target_modules": [*names.attention, inner], "feedforward_modules": [inner]}
    yield "feedforward regex", {"target_modules": rf".*({inner}|{names.attention[1]})", "feedforward_modules": rf".*{inner}"}
    yield "feedforward of all-linear", {"target_modules": "all-linear", "feedforward_modules": [inner]}
    yield "fan_in_fan_out", {"fan_in_fan_out": True}
    yield "init False", {"init_ia3_weights": False}


def of_loha(names):
    yield "init False", {"init_weights": False}


METHODS = {
    "LORA": (LoraConfig, {"r": 4, "lora_alpha": 10}, lambda names: [*both(names), *layered(names), *of_lora(names)]),
    "IA3": (IA3Config, {"feedforward_modules": []}, lambda names: [*both(names), *of_ia3(names)]),
    "LOHA": (LoHaConfig, {"r": 4, "alpha": 10}, lambda names: [*both(names), *layered(names), *of_loha(names)]),
}


def rows():
    for model, names in MODELS.items():
        for method, (kind, usual, fields) in METHODS.items():
            if (model, method) == ("gpt2", "LOHA"):  # PEFT has none over Conv1D
                continue
            for label, given in fields(names):
                config = {"task_type": names.task, "target_modules": names.attention} | usual | given
                if config["target_modules"] is None:
                    config.pop("target_modules")
                    config.pop("feedforward_modules", None)
                yield f"{model} {method} {label}", names, model, kind, config


def write(folder):
    tensors, found, models = {}, [], {}
    for model, names in MODELS.items():
        batch = names.batch()
        tensors |= {f"{model}.{name}": tensor for name, tensor in batch.items()}
        models[model] = {"base": names.base, "task": names.task}
    for row, names, model, kind, config in rows():
        measured = {"row": row, "model": model, "type": kind.__name__, "config": config}
        try:
            measured |= measure(row, names, kind(**copy.deepcopy(config)), tensors)
        except (ValueError, TypeError, RuntimeError, AttributeError, KeyError, IndexError, NotImplementedError) as e:
            measured["error"] = type(e).__name__
        found.append(measured)
    write_adapter(folder, "bert LORA bias all")
    common.write_tensors(folder / "io.safetensors", tensors)
    facts = {"versions": common.versions(), "tolerances": common.TOLERANCES, "models": models}
    text = json.dumps(facts, indent=1)[:-2] + ',\n "rows": [\n' + ",\n".join(json.dumps(row) for row in found) + "\n ]\n}\n"
    (folder / "case.json").write_text(text)


def measure(row, names, config, tensors):
    batch = names.batch()
    base = names.make()
    base.name_or_path = base.config.name_or_path = ""
    plain = common.logits_of(base, batch)
    torch.manual_seed(1)
    tuned = get_peft_model(base, config).eval()
    fresh = float((common.logits_of(tuned, batch) - plain).abs().max())
    fill(tuned)
    trained = {name: list(p.shape) for name, p in tuned.named_parameters() if p.requires_grad}
    logits = common.logits_of(tuned, batch)
    tensors[f"{row}.logits"] = logits
    assert (logits - plain).abs().max() > 1e-3, f"{row}: the adapter must be audible"
    layers = {}
    for name, module in tuned.base_model.model.named_modules():
        if isinstance(getattr(module, "scaling", None), dict) and "default" in module.scaling:
            layers[name] = [module.r["default"], module.scaling["default"]]
    with tempfile.TemporaryDirectory() as saved:
        tuned.save_pretrained(saved)
        with safe_open(f"{saved}/adapter_model.safetensors", "pt") as file:
            keys = sorted(file.keys())
        written = json.loads((Path(saved) / "adapter_config.json").read_text())
    usual = type(config)()
    written = {name: given for name, given in written.items() if given != plain_value(getattr(usual, name, None))}
    for name in ("target_modules", "exclude_modules", "feedforward_modules"):
        if isinstance(written.get(name), list):
            written[name].sort()
    return {
        "targeted": tuned.base_model.targeted_module_names,
        "trained": trained,
        "layers": layers,
        **({} if keys == sorted(name.replace(".modules_to_save", "").replace(".default", "") for name in trained) else {"saved": keys}),
        "written": written,
        "fresh": fresh < 1e-5,
        **merged_gap(tuned, batch, logits),
    }


def write_adapter(folder, wanted):
    """The adapter of a row as PEFT saves it, for keys that Java does not write."""
    names, kind, config = next((names, kind, config) for row, names, _, kind, config in rows() if row == wanted)
    base = names.make()
    base.name_or_path = base.config.name_or_path = ""
    tuned = get_peft_model(base, kind(**config)).eval()
    fill(tuned)
    tuned.save_pretrained(folder / wanted.replace(" ", "_"))
    (folder / wanted.replace(" ", "_") / "README.md").unlink()


def fill(tuned):
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            parameter.data = value(name, parameter.shape)


def merged_gap(tuned, batch, logits):
    try:
        tuned.merge_adapter()
    except RuntimeError:  # a bias of LoRA over a layer without
        return {}
    return {"mergedGap": float((common.logits_of(tuned, batch) - logits).abs().max())}


SECTIONS = {"field_table": write}
