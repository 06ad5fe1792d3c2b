"""LoRA over a plain torch module: Embedding, Linear without bias and Conv1D (weight stored [in, out])."""

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from . import common

EMBEDDINGS, WIDTH, MIDDLE, OUT = 11, 6, 8, 5


class CustomLayers(nn.Module):
    """conv(relu(lin(emb(ids)))): [batch, length] -> [batch, length, OUT]."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(EMBEDDINGS, WIDTH, padding_idx=0)
        self.lin = nn.Linear(WIDTH, MIDDLE, bias=False)
        self.conv = Conv1D(OUT, MIDDLE)

    def forward(self, input_ids):
        return self.conv(torch.relu(self.lin(self.emb(input_ids))))


def write(folder):
    generator = torch.Generator().manual_seed(7)
    base = CustomLayers().eval()
    for parameter in base.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    common.write_tensors(folder / "base" / "model.safetensors", base.state_dict())
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])
    target = torch.randn((2, 5, OUT), generator=generator)
    tensors = {"in.input_ids": ids, "in.target": target}
    with torch.no_grad():
        tensors["base.output"] = base(ids)

    model = get_peft_model(base, LoraConfig(r=3, lora_alpha=7, target_modules=["emb", "lin", "conv"])).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    tensors |= {f"param.{n}": p for n, p in model.named_parameters() if p.requires_grad}
    tensors |= layer_traces(model, ids)
    output = model(ids)
    loss = nn.functional.mse_loss(output, target)
    loss.backward()
    tensors["adapter.output"], tensors["adapter.loss"] = output, loss
    tensors |= {f"grad.{n}": p.grad for n, p in model.named_parameters() if p.requires_grad}
    for name in ("emb", "lin", "conv"):
        layer = getattr(model.base_model.model, name)
        tensors[f"delta.{name}"] = layer.get_delta_weight("default")
    with model.disable_adapter(), torch.no_grad():
        tensors["disabled.output"] = model(ids)
    model.merge_adapter()
    with torch.no_grad():
        tensors["merged.output"] = model(ids)
    model.unmerge_adapter()
    with torch.no_grad():
        tensors["unmerged.output"] = model(ids)
    plain = model.merge_and_unload()
    tensors |= {f"merged.weight.{name}": value for name, value in plain.state_dict().items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": "plain torch module without a config: no task type, so adapter_config.json has auto_mapping; "
            "loss is the mean squared error against in.target",
            "versions": common.versions(),
            "seeds": {"base": 7, "adapter": "crc32(parameter name) + 3"},
            "tolerances": common.TOLERANCES,
            "lora": {"r": 3, "lora_alpha": 7, "scaling": 7 / 3},
            "layers": {
                "emb": {"type": "Embedding", "num_embeddings": EMBEDDINGS, "embedding_dim": WIDTH, "padding_idx": 0},
                "lin": {"type": "Linear", "in_features": WIDTH, "out_features": MIDDLE, "bias": False},
                "conv": {"type": "Conv1D", "nx": MIDDLE, "nf": OUT, "bias": True, "weight_shape": [MIDDLE, OUT]},
            },
            "fanInFanOut": {n: getattr(getattr(base, n), "fan_in_fan_out", None) for n in ("emb", "lin", "conv")},
        },
    )


def layer_traces(model, ids):
    """Input and output of each adapted layer, so that one layer can be tested without the others."""
    seen, hooks = {}, []
    for name in ("emb", "lin", "conv"):

        def record(module, args, output, name=name):
            seen[f"layer.{name}.input"], seen[f"layer.{name}.output"] = args[0].detach(), output.detach().clone()

        hooks.append(getattr(model.base_model.model, name).register_forward_hook(record))
    with torch.no_grad():
        model(ids)
    for hook in hooks:
        hook.remove()
    return seen


SECTIONS = {"custom_layers": write}
