"""QLoRA: PEFT's LoRA over quantized layers whose arithmetic is written out here.

The packed weights are those of `bnb/` (written by bitsandbytes); bitsandbytes itself is not needed. What it does with them
is in `Frozen`: a forward product with the dequantized weight and a backward product with the weight as its quant state's type
holds it.
"""

import json
import shutil
from pathlib import Path

import torch
from peft import get_peft_model, prepare_model_for_kbit_training
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from . import common
from .lora_opt import describe, lora

BNB = Path(__file__).parents[2] / "resources" / "golden" / "bnb"


class Frozen(torch.autograd.Function):
    """x W^T + b, whose backward uses another rounding of W: MatMul4Bit and MatMul8bitFp of bitsandbytes."""

    @staticmethod
    def forward(ctx, x, weight, backward_weight):
        ctx.save_for_backward(backward_weight)
        return torch.nn.functional.linear(x, weight)

    @staticmethod
    def backward(ctx, gradient):
        return gradient @ ctx.saved_tensors[0].to(gradient.dtype), None, None


class Params4bit(torch.nn.Parameter):
    """The name by which PEFT knows weights that are not to be cast."""


class QuantizedLinear(torch.nn.Linear):
    """A layer over a dequantized weight, which PEFT adapts as any linear layer."""

    def __init__(self, dense, backward_dtype, compute_dtype):
        super().__init__(dense.shape[1], dense.shape[0], bias=False, device="meta")
        self.weight = Params4bit(dense, requires_grad=False)
        self.backward_weight = dense.to(backward_dtype)
        self.compute_dtype = compute_dtype

    def forward(self, x):
        weight = self.weight.to(self.compute_dtype)
        return Frozen.apply(x.to(self.compute_dtype), weight, self.backward_weight).to(x.dtype)


def unpack(tensors, name):
    """(dense float32 weight, dtype of the original weight) of one layer of a checkpoint."""
    packed = tensors[f"{name}.weight"]
    if packed.dtype == torch.int8:
        return packed.float() * tensors[f"{name}.SCB"].unsqueeze(1) * 7.874015718698502e-3, None
    (key,) = [k for k in tensors if k.startswith(f"{name}.weight.quant_state.")]
    state = json.loads(bytes(tensors[key].tolist()))
    codes = packed.view(torch.uint8).flatten().long()
    codes = torch.stack([codes >> 4, codes & 15], 1).flatten()
    scales = tensors[f"{name}.weight.absmax"]
    if "nested_offset" in state:
        code = tensors[f"{name}.weight.nested_quant_map"][scales.long()]
        nested = tensors[f"{name}.weight.nested_absmax"].repeat_interleave(state["nested_blocksize"])[: len(scales)]
        scales = code * nested + state["nested_offset"]
    values = tensors[f"{name}.weight.quant_map"][codes]
    dense = values * scales.repeat_interleave(state["blocksize"])[: len(values)]
    return dense.reshape(state["shape"]), getattr(torch, state["dtype"])


def quantized_model(source, compute_dtype):
    """The checkpoint as a model whose layers dequantize."""
    config = LlamaConfig.from_pretrained(source)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():  # not buffers: the angles stay in float32
        parameter.data = parameter.data.to(torch.bfloat16)
    tensors = load_file(source / "model.safetensors")
    plain = {k: v for k, v in tensors.items() if k in model.state_dict() and v.dtype == torch.bfloat16 and v.dim() < 3}
    layers = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    missing = model.load_state_dict({k: v for k, v in plain.items() if k.rsplit(".", 1)[0] not in layers}, strict=False)
    assert set(missing.missing_keys) == {f"{name}.weight" for name in layers}, missing
    for name in layers:
        dense, dtype = unpack(tensors, name)
        model.set_submodule(name, QuantizedLinear(dense, dtype or compute_dtype, compute_dtype))
    model.is_loaded_in_4bit = True
    return model


def batch_of(vocabulary):
    """A right-padded batch of other ids than those of the tiny models, whose vocabulary is smaller."""
    batch = common.causal_batch()
    ids = torch.where(batch["attention_mask"] == 1, batch["input_ids"] * 2 % vocabulary, batch["input_ids"])
    return {**batch, "input_ids": ids, "labels": torch.where(batch["attention_mask"] == 1, ids, -100)}


def write(folder, name, note):
    """The model of bnb/<name>, computing in float32, prepared by PEFT, with LoRA, and three training steps."""
    base = folder / "base"
    shutil.copytree(BNB / name, base, ignore=shutil.ignore_patterns("expected.safetensors"))
    config_json = json.loads((base / "config.json").read_text())
    config_json["quantization_config"]["bnb_4bit_compute_dtype"] = "float32"
    (base / "config.json").write_text(json.dumps(config_json, indent=2, sort_keys=True) + "\n")
    batch = batch_of(config_json["vocab_size"])
    tensors = {f"in.{key}": value for key, value in batch.items()}
    model = prepare_model_for_kbit_training(quantized_model(base, torch.float32))
    assert model.is_gradient_checkpointing
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    model.train()
    tensors["base.logits"] = common.logits_of(model, batch)
    torch.manual_seed(1)
    config = lora(target_modules="all-linear")
    config_values = config.to_dict()
    model = get_peft_model(model, config).train()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    tensors |= {f"param.{n}": p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    tensors["adapter.logits"] = common.logits_of(model, batch)
    tensors["adapter.loss"], grads = common.gradients_of(model, batch)
    tensors |= {f"grad.{key}": value for key, value in grads.items()}
    with model.disable_adapter():
        tensors["disabled.logits"] = common.logits_of(model, batch)
    facts = describe(model, config_values)
    facts["allParameters"] = sum(p.numel() for p in model.parameters())  # PEFT takes the dense ones here for packed ones
    tensors["train.losses"], after = common.train_steps(model, batch)
    tensors |= {f"train.after.{key}": value for key, value in after.items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": note,
            "versions": common.versions(),
            "tolerances": common.TOLERANCES,
            "optimizer": common.OPTIMIZER,
            **facts,
        },
    )
    assert (tensors["adapter.logits"] - tensors["base.logits"]).abs().max() > 0.05, "the adapter must be audible"


def section(name, note):
    return lambda folder: write(folder, name, note)


SECTIONS = {
    "qlora_nf4_dq": section("nf4_dq", "NF4 with quantized scales: float32 forward, bfloat16-rounded weights backward"),
    "qlora_fp4": section("fp4", "FP4"),
    "qlora_int8": section("int8", "LLM.int8() in training mode on the CPU: the weight is made dense"),
}


def write_converted(path):
    """Which layers transformers would replace, by default and with lists of its own, in the tiny models of other sections."""
    import transformers
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import HfQuantizer
    from transformers.quantizers.quantizers_utils import should_convert_module

    rows = []
    sections = ("decoder_", "heads_", "t5_", "opt_lora", "opt350_lora")
    for config_file in sorted(BNB.parent.glob("*/*/config.json")):
        source = config_file.parent
        name = (json.loads(config_file.read_text()).get("architectures") or [None])[0]
        if name is None or not source.parent.name.startswith(sections):
            continue
        config = transformers.AutoConfig.from_pretrained(source)
        model = getattr(transformers, name)(config)
        for skipped in (None, ["self_attn", "attention"], []):
            excluded = HfQuantizer.get_modules_to_not_convert(model, skipped, model._keep_in_fp32_modules)
            layers = [n for n, m in model.named_modules() if isinstance(m, Conv1D) or type(m) is torch.nn.Linear]
            converted = [n for n in layers if should_convert_module(n, excluded)]
            folder = str(source.relative_to(BNB.parent))
            rows.append({"folder": folder, "class": name, "skipped": skipped, "converted": " ".join(converted)})
    common.write_json(path, {"rows": rows})


SECTIONS["quantized_layers.json"] = write_converted
