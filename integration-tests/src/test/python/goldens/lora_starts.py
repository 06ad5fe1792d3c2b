"""First values of LoRA's matrices that come out of the base weight: golden/lora_starts.

Over one module with a wide, a tall and a transposed linear layer and an embedding. Python turns transposed weights only
around for PiSSA and MiCA, so the other methods leave `conv` out. bitsandbytes cannot be installed everywhere and LoftQ
asks for a GPU: its two functions that LoftQ calls are stood in for by the same arithmetic, and "cuda" by the CPU.
"""

import contextlib
import sys
import types
from unittest import mock

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from . import common

NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
ALL, LINEAR = ["emb", "wide", "tall", "conv"], ["wide", "tall"]
CASES = {
    "orthogonal": (dict(init_lora_weights="orthogonal", r=4), ["emb", "wide", "tall", "conv"]),
    "pissa": (dict(init_lora_weights="pissa"), ALL),
    "pissa_rslora": (dict(init_lora_weights="pissa", use_rslora=True, rank_pattern={"wide": 2}), ALL),
    "pissa_niter_3": (dict(init_lora_weights="pissa_niter_3"), ALL),
    "pissa_dora": (dict(init_lora_weights="pissa", use_dora=True), ALL),
    "pissa_bfloat16": (dict(init_lora_weights="pissa"), ["tall"]),
    "olora": (dict(init_lora_weights="olora"), LINEAR),
    "mica": (dict(init_lora_weights="mica"), ALL),
    "dora_random": (dict(init_lora_weights=False, use_dora=True), ALL),
    "loftq4": (dict(init_lora_weights="loftq", loftq_config={"loftq_bits": 4, "loftq_iter": 1}), LINEAR),
    "loftq4_twice": (dict(init_lora_weights="loftq", loftq_config={"loftq_bits": 4, "loftq_iter": 2}), LINEAR),
    "loftq8": (dict(init_lora_weights="loftq", loftq_config={"loftq_bits": 8, "loftq_iter": 1}), LINEAR),
}


class Layers(nn.Module):
    """conv(tall(wide(emb(ids)))): [batch, length] -> [batch, length, 10]."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(11, 12)
        self.wide = nn.Linear(12, 8, bias=False)
        self.tall = nn.Linear(8, 14)
        self.conv = Conv1D(10, 14)

    def forward(self, input_ids):
        return self.conv(self.tall(self.wide(self.emb(input_ids))))


def base():
    generator = torch.Generator().manual_seed(7)
    model = Layers().eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return model


class Codes(torch.Tensor):
    """Stands in for a quantized parameter of bitsandbytes."""

    def to(self, *args, **kwargs):
        return self

    def __new__(cls, x, **settings):
        return torch.Tensor._make_subclass(cls, x)

    quant_state = SCB = None


def nf4(codes, state):
    x = codes.as_subclass(torch.Tensor).flatten()
    blocks = torch.nn.functional.pad(x, (0, -len(x) % 64)).reshape(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    table = torch.tensor(NF4)
    nearest = ((blocks / largest).unsqueeze(-1) - table).abs().argmin(-1)
    return (table[nearest] * largest).flatten()[: len(x)].reshape(codes.shape)


def int8(codes, scale):
    x = codes.as_subclass(torch.Tensor).half().float()
    largest = x.abs().amax(1, keepdim=True)
    return torch.round(x / largest * 127) * largest / 127


@contextlib.contextmanager
def pretended_bitsandbytes():
    """LoftQ's view of bitsandbytes and of a GPU, while its function runs."""
    from peft.tuners.lora import layer
    from peft.utils import loftq_utils

    fake = types.ModuleType("bitsandbytes")
    fake.nn = types.SimpleNamespace(Params4bit=Codes, Int8Params=Codes)
    fake.functional = types.SimpleNamespace(dequantize_4bit=nf4, int8_vectorwise_dequant=int8)
    plain_to, real = torch.Tensor.to, layer.loftq_init

    def to(self, *args, **kwargs):
        args = ["cpu" if a == "cuda" else a for a in args]
        kwargs = {k: "cpu" if v == "cuda" else v for k, v in kwargs.items()}
        return plain_to(self, *args, **kwargs)

    def start(*args, **kwargs):
        available = mock.patch.multiple(loftq_utils, is_bnb_available=lambda: True, is_bnb_4bit_available=lambda: True)
        with mock.patch.dict(sys.modules, bitsandbytes=fake), mock.patch.object(torch.Tensor, "to", to), available:
            return real(*args, **kwargs)

    with mock.patch.object(layer, "loftq_init", start):
        yield


def measured(name, values, targets, ids):
    """The state of a fresh adapter with its base, and what they compute."""
    half = name.endswith("bfloat16")
    model = base().bfloat16() if half else base()
    torch.manual_seed(3)
    settings = {"r": 3, "lora_alpha": 7, "target_modules": targets, **values}
    tuned = get_peft_model(model, LoraConfig(**settings)).eval()
    tensors = {f"param.{key}": value for key, value in tuned.state_dict().items()}
    if not half:
        with torch.no_grad():
            tensors["output"] = tuned(ids)
    return tensors


def two_doras(folder_tensors, ids):
    """Two DoRA adapters that act together, and merged one after the other."""
    torch.manual_seed(3)
    config = LoraConfig(r=3, lora_alpha=7, target_modules=ALL, use_dora=True)
    tuned = get_peft_model(base(), config)
    tuned.add_adapter("other", config)
    tuned.base_model.set_adapter(["default", "other"])
    common.fill_trainable(tuned, scale=0.6)
    tuned.eval()
    with torch.no_grad():
        tensors = {f"param.{key}": value.clone() for key, value in tuned.state_dict().items()}
        tensors["output"] = tuned(ids)
        tuned.merge_adapter(adapter_names=["default", "other"])
        tensors["merged.output"] = tuned(ids)
        tensors |= {f"merged.{key}": value.clone() for key, value in tuned.state_dict().items() if "base_layer" in key}
    folder_tensors |= {f"two_doras.{key}": value for key, value in tensors.items()}


def converted(folder):
    """A PiSSA adapter before training, after it, and as plain LoRA over the base as it was."""
    batch = common.causal_batch()
    torch.manual_seed(1)
    settings = dict(r=4, lora_alpha=7, target_modules=["q_proj", "fc1"], task_type="CAUSAL_LM", init_lora_weights="pissa")
    model = get_peft_model(common.tiny_opt(), LoraConfig(rank_pattern={"fc1": 2}, alpha_pattern={"fc1": 3}, **settings))
    model.eval()
    model.peft_config["default"].init_lora_weights = True
    model.save_pretrained(folder / "initial")
    model.peft_config["default"].init_lora_weights = "pissa"
    common.train_steps(model, batch)
    model.save_pretrained(folder / "trained")
    tensors = {f"in.{key}": value for key, value in batch.items()} | {"trained.logits": common.logits_of(model, batch)}
    model.save_pretrained(folder / "converted", path_initial_model_for_weight_conversion=str(folder / "initial"))
    plain = PeftModel.from_pretrained(common.tiny_opt(), folder / "converted").eval()
    tensors["converted.logits"] = common.logits_of(plain, batch)
    for name in ("initial", "trained", "converted"):
        (folder / name / "README.md").unlink()
    common.write_tensors(folder / "io.safetensors", tensors)


def write(folder):
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])
    tensors = {"in.input_ids": ids, **{f"base.{name}": value for name, value in base().state_dict().items()}}
    with torch.no_grad():
        tensors["base.output"] = base()(ids)
    with pretended_bitsandbytes():
        for name, (values, targets) in CASES.items():
            tensors |= {f"{name}.{key}": value for key, value in measured(name, values, targets, ids).items()}
    two_doras(tensors, ids)
    common.write_tensors(folder / "io.safetensors", tensors)
    described = {name: {**values, "target_modules": targets} for name, (values, targets) in CASES.items()}
    common.write_json(folder / "cases.json", {"versions": common.versions(), "seed": 3, "cases": described})


SECTIONS = {"lora_starts": write, "lora_converted": converted}
