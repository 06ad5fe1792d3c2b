"""LoRA over parameters (target_parameters): golden/target_parameters, a module with experts of both layouts."""

import copy

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from . import common

TARGETS = ["experts.gate_up", "experts.down", "turned.inner", "mix.matrix", "lin.weight", "emb.weight"]


class Experts(nn.Module):
    """Sum over experts of down relu(gate_up x), weights (experts, out, in)."""

    def __init__(self):
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(3, 8, 6))
        self.down = nn.Parameter(torch.empty(3, 6, 8))

    def forward(self, x):
        hidden = torch.relu(x.unsqueeze(1) @ self.gate_up.transpose(1, 2))
        return (hidden @ self.down.transpose(1, 2)).sum(1)


class Turned(nn.Module):
    """Sum over experts of relu(x inner), weights (experts, in, out)."""

    is_transposed = True

    def __init__(self):
        super().__init__()
        self.inner = nn.Parameter(torch.empty(2, 6, 5))

    def forward(self, x):
        return torch.relu(x.unsqueeze(1) @ self.inner).sum(1)


class Mix(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.empty(7, 5))

    def forward(self, x):
        return x @ self.matrix.T


class ExpertsModel(nn.Module):
    """lin(mix(turned(experts(emb(ids)))))."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(11, 6)
        self.experts = Experts()
        self.turned = Turned()
        self.mix = Mix()
        self.lin = nn.Linear(7, 4)

    def forward(self, input_ids):
        return self.lin(self.mix(self.turned(self.experts(self.emb(input_ids)))))



def write(folder):
    generator = torch.Generator().manual_seed(7)
    base = ExpertsModel().eval()
    for parameter in base.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    common.write_tensors(folder / "base" / "model.safetensors", base.state_dict())
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])
    target = torch.randn((2, 5, 4), generator=generator)
    config = LoraConfig(
        r=2, lora_alpha=5, target_modules=[], target_parameters=TARGETS, rank_pattern={"experts.down": 3}
    )
    torch.manual_seed(1)
    fresh = get_peft_model(copy.deepcopy(base), copy.deepcopy(config))
    tensors = {"in.input_ids": ids, "in.target": target}
    tensors |= {f"fresh.{n}": p for n, p in fresh.named_parameters() if p.requires_grad}
    with torch.no_grad():
        tensors["base.output"] = base(ids)
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    tensors |= {f"param.{n}": p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    output = model(ids)
    loss = nn.functional.mse_loss(output, target)
    loss.backward()
    tensors["adapter.output"], tensors["adapter.loss"] = output, loss
    tensors |= {f"grad.{n}": p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    with model.disable_adapter(), torch.no_grad():
        tensors["disabled.output"] = model(ids)
    merged = copy.deepcopy(model)
    merged.merge_adapter()
    with torch.no_grad():
        tensors["merged.output"] = merged(ids)
    tensors |= {f"merged.weight.{n}": value for n, value in copy.deepcopy(model).merge_and_unload().state_dict().items()}
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    settings = {key: common.OPTIMIZER[key] for key in ("lr", "eps", "weight_decay")}
    optimizer = torch.optim.AdamW(trained.values(), betas=tuple(common.OPTIMIZER["betas"]), **settings)
    for _ in range(common.OPTIMIZER["steps"]):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(ids), target).backward()
        optimizer.step()
    tensors |= {f"train.after.{n}": p for n, p in trained.items()}
    assert type(PeftModel.from_pretrained(ExpertsModel(), folder / "adapter")) is PeftModel
    common.write_tensors(folder / "io.safetensors", tensors)


SECTIONS = {"target_parameters": write}
