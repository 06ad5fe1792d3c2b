"""MonteCLoRA in training, with the random numbers that were drawn: golden/monteclora.

The adapter and the base are those of tuner_monteclora. In `dirichlet_kl` of PEFT 0.21 the sign of one sum is wrong, so that it is no
divergence; here torch's own takes its place.
"""

import torch
from peft import PeftModel
from torch.distributions import Dirichlet, kl_divergence

from . import common
from .common import causal_batch


def divergence(sampler, alpha):
    return kl_divergence(Dirichlet(alpha), Dirichlet(torch.full_like(alpha, sampler.dirichlet_prior)))


def write_monteclora(folder):
    from peft.tuners.lora.monteclora import MontecloraSampler

    MontecloraSampler.dirichlet_kl = divergence
    adapter = folder.parent / "tuner_monteclora" / "adapter"
    batch = causal_batch()
    tensors = {}
    for entropy in (False, True):
        torch.manual_seed(9)
        model = PeftModel.from_pretrained(common.tiny_opt(), str(adapter), is_trainable=True).train()
        name = "entropy" if entropy else "plain"
        samplers = {path: m for path, m in model.named_modules() if isinstance(m, MontecloraSampler)}
        for path, sampler in samplers.items():
            sampler.use_entropy = entropy
            path = path.removeprefix("base_model.model.").removesuffix(".lora_monteclora_sampler.default")
            drawn = sampler.sampler.buffer[sampler.sampler.index]
            tensors[f"{name}.normal.{path}"] = drawn["z_mvn"].transpose(1, 2)
            tensors[f"{name}.chi.{path}"] = drawn["z_wishart"].diagonal()
            tensors[f"{name}.shares.{path}"] = drawn["z_dirichlet"]
        loss = model(**batch).loss
        penalty = model.base_model._get_monteclora_loss()
        (loss + penalty).backward()
        tensors[f"{name}.loss"] = loss
        tensors[f"{name}.penalty"] = penalty
        tensors |= {f"{name}.grad.{n}": p.grad for n, p in model.named_parameters() if p.requires_grad}
        tensors |= {f"{name}.buffer.{n}": b for n, b in model.named_buffers() if "monteclora" in n}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": "one pass in training with the numbers that were drawn in it, without and with entropy",
            "versions": common.versions(),
            "tolerances": common.TOLERANCES,
        },
    )


SECTIONS = {"monteclora": write_monteclora}
