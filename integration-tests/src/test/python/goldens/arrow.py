"""Arrow: golden/arrow. Three adapters and two general ones below experts/, the router's file as Python writes it.

General knowledge subtraction changes the adapters of a model, so that each case is made anew.
"""

import torch
from peft import ArrowConfig, LoraConfig, create_arrow_model, get_peft_model

from . import common
from .common import causal_batch, left_padded_batch
from .tuners import greedy

TARGETS = ["q_proj", "fc1"]

CASES = {
    "two": dict(top_k=2, router_temperature=0.6, rng_seed=5),
    "all": dict(top_k=3, rng_seed=6),
    "gks": dict(top_k=2, router_temperature=1.4, rng_seed=7, use_gks=True),
}


def write_experts(folder):
    for number, name in enumerate(["task_0", "task_1", "task_2", "task_3", "gks_0", "gks_1"]):
        config = LoraConfig(r=3, lora_alpha=[5, 4, 7, 8, 2, 9][number], target_modules=TARGETS, task_type="CAUSAL_LM")
        lora = get_peft_model(common.tiny_opt(), config)
        common.fill_trainable(lora, salt=30 + number, scale=0.4)
        lora.save_pretrained(folder / "experts" / name)
        (folder / "experts" / name / "README.md").unlink()


def write_arrow(folder):
    write_experts(folder)
    experts = folder / "experts"
    batch, left = causal_batch(), left_padded_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors |= {f"left.{name}": value for name, value in left.items()}
    facts = {}
    for name, values in CASES.items():
        config = ArrowConfig(**values)
        general = [str(experts / "gks_0"), str(experts / "gks_1")] if values.get("use_gks") else None
        tasks = [str(experts / f"task_{i}") for i in range(3)]
        torch.manual_seed(3)
        model = create_arrow_model(common.tiny_opt(), tasks, config, general).eval()
        tensors[f"{name}.logits"] = common.logits_of(model, batch)
        tensors[f"{name}.gen.ids"] = greedy(model, left)
        tensors |= input_gradient(name, model, batch)
        trainable, total = model.get_nb_trainable_parameters()
        facts[name] = {"config": values, "trainableParameters": trainable, "allParameters": total}
        if name == "two":
            model.save_pretrained(folder / "saved")
        model.load_adapter(str(experts / "task_3"), "another")
        model.set_adapter("arrow_router")
        tensors[f"{name}.more.logits"] = common.logits_of(model, batch)
    for path in (folder / "saved").iterdir():
        if path.name == "README.md":
            path.unlink()
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": "routing by direction, with and without general knowledge subtraction, and with one more adapter",
            "versions": common.versions(),
            "base": "opt_lora/base",
            "tolerances": common.TOLERANCES,
            "cases": facts,
        },
    )


def input_gradient(name, model, batch):
    """The loss and its gradient with respect to the embedded texts."""
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_(True)
    others = {key: value for key, value in batch.items() if key != "input_ids"}
    loss = model(inputs_embeds=embedded, **others).loss
    loss.backward()
    return {
        f"{name}.embedded": embedded.detach().clone(),
        f"{name}.loss": loss.detach(),
        f"{name}.grad.embedded": embedded.grad.clone(),
    }


SECTIONS = {"arrow": write_arrow}
