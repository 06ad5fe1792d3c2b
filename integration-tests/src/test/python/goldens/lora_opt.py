"""LoRA on tiny OPT models: one folder per case with base/, adapter/, io.safetensors and case.json."""

import copy

import torch
from peft import LoraConfig, get_peft_model
from transformers import GenerationConfig

from . import common
from .common import causal_batch, left_padded_batch, tiny_opt

NEW_TOKENS = 6

POST_NORM = {"word_embed_proj_dim": 8, "do_layer_norm_before": False}


def lora(**values):
    """A LoraConfig for causal language models whose alpha is never the rank (the scaling is never 1)."""
    config = LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 10, "lora_dropout": 0.0, **values})
    assert config.lora_alpha != config.r
    return config


def write_case(folder, model_changes, config, note):
    """Writes a complete fp32 case over an OPT model."""
    write_model_case(folder, tiny_opt(**model_changes), config, note)


def write_model_case(folder, base, config, note):
    """Writes a complete fp32 case over any language model."""
    base.save_pretrained(folder / "base")
    batch, left = causal_batch(), left_padded_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors |= {f"left.{name}": value for name, value in left.items()}
    tensors["left.position_ids"] = left["attention_mask"].cumsum(1) * left["attention_mask"] - 1
    tensors["base.logits"] = common.logits_of(base, batch)
    counted = {**left, **common.positions(base, left)}
    tensors["base.left_logits"] = common.logits_of(base, counted)
    with torch.no_grad():
        tensors["base.loss"] = base(**batch).loss

    torch.manual_seed(1)
    config_values = config.to_dict()
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    tensors |= {f"param.{n}": p for n, p in model.named_parameters() if p.requires_grad}
    tensors["adapter.logits"] = common.logits_of(model, batch)
    tensors["adapter.left_logits"] = common.logits_of(model, counted)
    tensors["adapter.loss"], grads = common.gradients_of(model, batch)
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    common.merge_measurements(model, batch, tensors)
    tensors |= generate(model, left)
    gaps, unstable = common.float64_gaps(model, batch)
    facts = describe(model, config_values)
    trained = copy.deepcopy(model)
    tensors["train.losses"], after = common.train_steps(trained, batch)
    tensors |= {f"train.after.{name}": value for name, value in after.items()}

    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": note,
            "versions": common.versions(),
            "seeds": {"base": 7, "adapter": "crc32(parameter name) + 3"},
            "tolerances": common.TOLERANCES,
            "float64Gaps": gaps,
            "unstableAfterSteps": unstable,
            "optimizer": common.OPTIMIZER,
            "generation": {"max_new_tokens": NEW_TOKENS, "do_sample": False, "eos_token_id": None},
            **facts,
        },
    )
    assert gaps["logits"] < common.TOLERANCES["forward"] / 4, gaps
    assert gaps["gradient"] < common.TOLERANCES["gradient"] / 4, gaps
    assert (tensors["adapter.logits"] - tensors["base.logits"]).abs().max() > 0.05, "the adapter must be audible"


GREEDY = dict(max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1, pad_token_id=common.PAD)


def generate_greedily(model, left, uncached=True):
    """Greedy ids of a left-padded batch with the key-value cache, and the logits of every new token."""
    model.generation_config.eos_token_id = None  # else it would stop the rows that find it
    output = model.generate(
        **left,
        generation_config=GenerationConfig(eos_token_id=None, **GREEDY),
        use_cache=True,
        return_dict_in_generate=True,
        output_logits=True,
    )
    if uncached:
        plain = model.generate(**left, generation_config=GenerationConfig(eos_token_id=None, **GREEDY), use_cache=False)
        assert torch.equal(output.sequences, plain), "cached and uncached generation differ"
    logits = torch.stack(output.logits)
    top = logits.topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1]).min() > 1e-3, "greedy choice too close to a tie"
    return {"gen.ids": output.sequences, "gen.logits": logits}


def generate(model, left):
    """The same, and the ids with a token that ends the rows at different steps."""
    found = generate_greedily(model, left)
    stop = stop_token(found["gen.ids"][:, left["input_ids"].shape[1] :])
    stopped = model.generate(**left, generation_config=GenerationConfig(eos_token_id=stop, **GREEDY))
    return {
        **found,
        "gen.stop_token": torch.tensor(stop),
        "gen.stopped_ids": stopped,
    }


def stop_token(generated):
    """A token that ends the rows at different steps, never the first: the early row must be filled with padding."""
    firsts = {}
    for token in set(generated.flatten().tolist()):
        found = [(row == token).nonzero().flatten().tolist() for row in generated]
        firsts[token] = [positions[0] if positions else generated.shape[1] for positions in found]
    usable = [token for token, steps in firsts.items() if min(steps) >= 1 and steps[0] != steps[1]]
    assert usable, "no token ends the rows at different steps"
    return max(usable, key=lambda token: (abs(firsts[token][0] - firsts[token][1]), -token))


def describe(model, config_values):
    """Facts about the model that are not tensors."""
    trainable, total = model.get_nb_trainable_parameters()
    layers = {
        name: {
            "r": module.r["default"],
            "alpha": module.lora_alpha["default"],
            "scaling": module.scaling["default"],
        }
        for name, module in model.get_base_model().named_modules()
        if hasattr(module, "lora_A")
    }
    config_values.pop("runtime_config", None)
    plain = {k: sorted(v) if isinstance(v, set) else v for k, v in config_values.items()}
    return {
        "peftClass": type(model).__name__,
        "trainableParameters": trainable,
        "allParameters": total,
        "targetedModules": model.base_model.targeted_module_names,
        "layers": layers,
        "config": plain,
    }


QV = ["q_proj", "v_proj"]
UNTIED = {"tie_word_embeddings": False}

CASES = {
    "opt_lora": ({}, dict(target_modules=QV), "OPT, layer norm before attention, tied head"),
    "opt350_lora": (POST_NORM, dict(target_modules=QV), "OPT-350m shape: layer norm after, project_in/project_out"),
    "opt_rslora_patterns": (
        {},
        dict(
            target_modules="all-linear",
            use_rslora=True,
            rank_pattern={"layers.1.self_attn.q_proj": 2, "^model.decoder.layers.0.fc1": 3},
            alpha_pattern={r".*\.v_proj": 16, "fc2": 7},
        ),
        "rank-stabilized scaling alpha/sqrt(r), rank and alpha patterns, every linear layer",
    ),
    "opt_embedding": (
        UNTIED,
        dict(target_modules=["embed_tokens", "q_proj"]),
        "LoRA on the embedding with an untied head; the base embedding is saved with the adapter",
    ),
    "opt_bias_all": ({}, dict(target_modules=QV, bias="all"), "every bias of the model is trained and saved"),
    "opt_bias_lora_only": ({}, dict(target_modules=QV, bias="lora_only"), "biases of the adapted layers only"),
    "opt_lora_bias": ({}, dict(target_modules=QV, lora_bias=True), "lora_B has a bias of its own"),
    "opt_modules_to_save": (
        UNTIED,
        dict(target_modules=QV, modules_to_save=["lm_head"]),
        "a trainable copy of the untied head",
    ),
}


def section(name):
    changes, values, note = CASES[name]
    return lambda folder: write_case(folder, changes, lora(**values), note)


def write_bfloat16(folder):
    """bf16 base weights with fp32 adapters: the dtype contract, one training step, merged weights in bf16."""
    base = tiny_opt().to(torch.bfloat16)
    base.save_pretrained(folder / "base")
    batch = causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["base.logits"] = common.logits_of(base, batch)
    config = lora(target_modules=["q_proj", "v_proj"], lora_alpha=10)
    config_values = config.to_dict()
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    tensors |= {f"param.{n}": p for n, p in model.named_parameters() if p.requires_grad}
    tensors |= layer_trace(model, batch)
    tensors["adapter.logits"] = common.logits_of(model, batch)
    tensors["adapter.loss"], grads = common.gradients_of(model, batch)
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    common.merge_measurements(model, batch, tensors)
    facts = describe(model, config_values)
    wide = copy.deepcopy(model).float()
    gap = (common.logits_of(wide, batch) - tensors["adapter.logits"].float()).abs().max()
    trained = copy.deepcopy(model)
    tensors["train.losses"], after = common.train_steps(trained, batch, steps=1)
    tensors |= {f"train.after.{name}": value for name, value in after.items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": "bf16 base, fp32 adapter; layer.* is one adapted layer seen from outside and can be compared "
            "closely, whole-model values only within a few bf16 roundings",
            "versions": common.versions(),
            "seeds": {"base": 7, "adapter": "crc32(parameter name) + 3"},
            "tolerances": {"layer": 0.0079, "forward": 0.06, "gradient": 0.1, "mergedWeight": 0.0079},
            "bfloat16ToFloat32Gap": float(gap),
            "optimizer": {**common.OPTIMIZER, "steps": 1},
            "dtypes": {n: str(p.dtype).removeprefix("torch.") for n, p in model.named_parameters()},
            **facts,
        },
    )


def layer_trace(model, batch):
    """Input and output of the first q_proj and the output of its base layer."""
    layer = model.get_base_model().model.decoder.layers[0].self_attn.q_proj
    seen = {}
    hooks = [
        layer.register_forward_hook(lambda m, args, out: seen.update({"layer.input": args[0], "layer.output": out})),
        layer.base_layer.register_forward_hook(lambda m, args, out: seen.update({"layer.base_output": out.clone()})),
    ]
    common.logits_of(model, batch)
    for hook in hooks:
        hook.remove()
    expected = seen["layer.base_output"] + layer.scaling["default"] * (
        seen["layer.input"].float() @ layer.lora_A["default"].weight.T @ layer.lora_B["default"].weight.T
    )
    assert torch.equal(expected.to(torch.bfloat16), seen["layer.output"]), "the dtype contract has changed"
    return seen


SECTIONS = {name: section(name) for name in CASES} | {"opt_bfloat16": write_bfloat16}
