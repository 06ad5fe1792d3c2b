"""AdaLoRA: golden/tuner_adalora*, and golden/adalora_schedule: a training step by step."""

import copy

import torch
from peft import AdaLoraConfig, PeftModel, get_peft_model

from . import common, tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}


def schedule(folder):
    """Sixteen AdamW steps with update_and_allocate: warm-up, shrinking every second step, the last choice, masked steps."""
    config = AdaLoraConfig(
        init_r=6,
        target_r=1,
        tinit=1,
        tfinal=3,
        deltaT=2,
        beta1=0.7,
        beta2=0.6,
        orth_reg_weight=0.2,
        total_step=14,
        lora_alpha=5,
        target_modules=["q_proj", "fc1"],
        **TASK,
    )
    model = get_peft_model(tuners.opt(), config)
    common.fill_trainable(model)
    model.save_pretrained(folder / "initial")
    model.train()
    batch = common.causal_batch()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=common.OPTIMIZER["lr"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    allocator = model.base_model.rankallocator
    tensors = {f"in.{name}": value for name, value in batch.items()}
    steps = []
    for step in range(16):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        model.base_model.update_and_allocate(step)
        tensors[f"{step}.loss"] = loss.detach()
        tensors |= {f"{step}.{name}": p.detach().clone() for name, p in trained.items() if "lora_E" in name}
        budget, masks = allocator.budget_schedule(step)
        pattern = copy.deepcopy(model.peft_config["default"].rank_pattern)
        steps.append({"budget": budget, "masks": masks, "pattern": pattern and {k.replace(".default", ""): v for k, v in pattern.items()}})
        if step in (4, 15):
            saved = copy.deepcopy(model)
            saved.save_pretrained(folder / f"after_{step}")
            tensors[f"{step}.logits"] = common.logits_of(model.eval(), batch)
            model.train()
            loaded = PeftModel.from_pretrained(tuners.opt(), folder / f"after_{step}")
            plain = {name: batch[name] for name in ("input_ids", "attention_mask")}  # with labels, 0.21 fails
            tensors[f"{step}.loaded"] = common.logits_of(loaded, plain)
    tensors |= {f"after.{name}": p.detach().clone() for name, p in trained.items()}
    for readme in folder.rglob("README.md"):
        readme.unlink()
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json", {"base": "opt_lora/base", "versions": common.versions(), "optimizer": common.OPTIMIZER, "steps": steps}
    )
    assert len({sum(map(sum, s["pattern"].values())) for s in steps if s["pattern"]}) > 2, "the budget must shrink"
    assert any(not any(ranks) for ranks in steps[-1]["pattern"].values()), "a layer must lose all ranks"


SECTIONS = tuners.sections(
    {
        "adalora": tuners.case(
            AdaLoraConfig(
                init_r=5, target_r=2, lora_alpha=7, orth_reg_weight=0.3, total_step=20, target_modules=["q_proj", "fc1"], **TASK
            ),
            "the penalty in the loss",
        ),
        "adalora_tokens": tuners.case(
            AdaLoraConfig(
                init_r=4, target_r=2, lora_alpha=7, total_step=9, target_modules=["v_proj"], trainable_token_indices=[33, 2, 5], **TASK
            ),
            "tokens beside it; the head is tied",
            targeted_modules=[f"model.decoder.layers.{i}.self_attn.v_proj" for i in (0, 1)] + ["model.decoder.embed_tokens", "lm_head"],
        ),
        "adalora_gpt2": tuners.case(
            AdaLoraConfig(init_r=3, total_step=9, lora_alpha=0, init_lora_weights=False, target_modules=["c_attn"], **TASK),
            "Conv1D; acts from the start; alpha 0 stands for the rank",
            base="gpt2_lora/base",
            model=tiny_gpt2,
        ),
    }
) | {"adalora_schedule": schedule}
