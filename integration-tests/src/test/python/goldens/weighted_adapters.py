"""`add_weighted_adapter`: every way to combine LoRA adapters, and IA3 adapters."""

import contextlib

import torch
from peft import IA3Config, get_peft_model
from safetensors.torch import load_file

from . import common
from .lora_decoders import tiny_llama
from .lora_opt import lora

SEED = 5
NOTE = (
    "over llama_lora/base: 'default' (r 4, alpha 10), 'b' (r 4, alpha 6) and 'c' (r 3, alpha 7). Every row makes an adapter 'new', "
    f"after torch.manual_seed({SEED}). <row>.<key>: what PEFT saves of it; for decompositions <row>.product.<path> is B A, since "
    "the signs of singular vectors are free. ia3: 'default' and 'b' over opt_lora/base."
)

TWO = {"adapters": ["default", "b"], "weights": [0.7, -0.4]}
ALL = {"adapters": ["default", "b", "c"], "weights": [0.7, -0.4, 1.3]}

ROWS = {
    "svd": ALL,
    "svd_rank": {**ALL, "combination_type": "svd", "svd_rank": 6},
    "svd_clamp": {**TWO, "combination_type": "svd", "svd_clamp": 0.9},
    "linear": {**TWO, "combination_type": "linear"},
    "linear_one": {"adapters": ["c"], "weights": [-0.5], "combination_type": "svd"},
    "cat": {**ALL, "combination_type": "cat"},
    "ties": {**TWO, "combination_type": "ties", "density": 0.6},
    "ties_frequency": {**TWO, "combination_type": "ties", "density": 0.6, "majority_sign_method": "frequency"},
    "ties_svd": {**ALL, "combination_type": "ties_svd", "density": 0.6},
    "dare_linear": {**TWO, "combination_type": "dare_linear", "density": 0.7},
    "dare_ties": {**TWO, "combination_type": "dare_ties", "density": 0.7},
    "dare_linear_svd": {**ALL, "combination_type": "dare_linear_svd", "density": 0.7},
    "dare_ties_svd": {**ALL, "combination_type": "dare_ties_svd", "density": 0.7, "majority_sign_method": "frequency"},
    "magnitude_prune": {**TWO, "combination_type": "magnitude_prune", "density": 0.4},
    "magnitude_prune_svd": {**ALL, "combination_type": "magnitude_prune_svd", "density": 0.4},
}


def filled(base, configs, folder):
    base.name_or_path = base.config.name_or_path = ""
    torch.manual_seed(1)
    names = list(configs)
    model = get_peft_model(base, configs[names[0]], adapter_name=names[0]).eval()
    for name in names[1:]:
        model.add_adapter(name, configs[name])
    for name in names:
        model.set_adapter(name)
        common.fill_trainable(model)
    model.set_adapter(names[0])
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    return model


def products(saved):
    """B A of every layer, by path; an embedding's the same way."""
    result = {}
    for name, value in saved.items():
        if ".lora_A" in name or ".lora_embedding_A" in name:
            other = saved[name.replace("_A", "_B")]
            result[name.split(".lora_")[0]] = other @ value
    return result


@contextlib.contextmanager
def fixed_signs():
    """Singular vectors whose largest part is positive: what svd_clamp cuts off depends on the signs, which are free."""
    original = torch.linalg.svd

    def svd(matrix, **arguments):
        u, s, vh = original(matrix, **{**arguments, "full_matrices": False})
        signs = vh.gather(1, vh.abs().argmax(1, keepdim=True)).sign()
        return u * signs.T, s, vh * signs

    torch.linalg.svd = svd
    yield
    torch.linalg.svd = original


def measured(model, batch, row, arguments, tensors, folder):
    torch.manual_seed(SEED)
    with fixed_signs():
        model.add_weighted_adapter(adapter_name="new", **arguments)
    assert not any(p.requires_grad for n, p in model.named_parameters() if ".new" in n)
    model.set_adapter("new")
    model.eval()
    tensors[f"{row}.logits"] = common.logits_of(model, batch)
    model.save_pretrained(folder / "scratch", selected_adapters=["new"])
    saved = load_file(folder / "scratch/new/adapter_model.safetensors")
    if "svd" in arguments.get("combination_type", "svd") and len(arguments["adapters"]) > 1:
        tensors |= {f"{row}.product.{path}": value for path, value in products(saved).items()}
    else:
        tensors |= {f"{row}.{name}": value for name, value in saved.items()}
    config = model.peft_config["new"].to_dict()
    model.set_adapter(arguments["adapters"][0])
    model.delete_adapter("new")
    return {name: config.get(name) for name in ("r", "lora_alpha") if name in config} | {
        name: sorted(config[name]) for name in ("target_modules", "feedforward_modules") if name in config
    }


def write(folder):
    batch = common.causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    targets = ["q_proj", "down_proj", "embed_tokens"]
    configs = {
        "default": lora(target_modules=targets),
        "b": lora(lora_alpha=6, target_modules=["q_proj", "k_proj", "down_proj"]),
        "c": lora(r=3, lora_alpha=7, target_modules=["q_proj", "v_proj"]),
    }
    model = filled(tiny_llama(), configs, folder / "lora")
    rows = {row: measured(model, batch, row, arguments, tensors, folder) for row, arguments in ROWS.items()}

    task = {"task_type": "CAUSAL_LM"}
    vectors = {
        "default": IA3Config(target_modules=["q_proj", "fc2"], feedforward_modules=["fc2"], **task),
        "b": IA3Config(target_modules=["v_proj", "fc2"], feedforward_modules=["fc2"], **task),
    }
    scaled = filled(common.tiny_opt(), vectors, folder / "ia3")
    rows["ia3"] = measured(scaled, batch, "ia3", TWO, tensors, folder)
    common.shutil.rmtree(folder / "scratch")
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": NOTE,
            "versions": common.versions(),
            "seed": SEED,
            "rows": [
                {"row": row, "arguments": ROWS.get(row, TWO), "config": config} for row, config in rows.items()
            ],
        },
    )


SECTIONS = {"weighted_adapters": write}
