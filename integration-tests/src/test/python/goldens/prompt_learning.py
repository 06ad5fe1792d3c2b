"""Prompt tuning, prefix tuning and P-tuning on tiny language models: one folder per case, as for LoRA."""

import copy

import torch
from peft import (
    CartridgeConfig,
    CPTConfig,
    MultitaskPromptTuningConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    get_peft_model,
)
from transformers import GenerationConfig

from . import common, decoders
from .common import causal_batch, left_padded_batch, tiny_opt
from .lora_decoders import tiny_gpt2, tiny_llama
from .lora_opt import GREEDY, NEW_TOKENS, generate_greedily

TOKENS = 3


def unpadded_batch():
    """Two rows of one length: with soft prompts Python's GPT-2 counts the padding between prompt and text as tokens."""
    ids = torch.tensor([[2, 5, 6, 17, 8, 29, 31], [2, 9, 33, 4, 11, 20, 7]])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def untied_opt():
    """With a head of its own, else every generated token repeats the one before."""
    return tiny_opt(tie_word_embeddings=False)


def family(name):
    return lambda: decoders.build(name)


CASES = {
    "prompt_opt": (untied_opt, PromptTuningConfig, {}, "prompt tuning on OPT, whose positions are counted from the mask"),
    "prompt_llama": (tiny_llama, PromptTuningConfig, {}, "prompt tuning on Llama with grouped queries"),
    "prompt_head": (
        untied_opt,
        PromptTuningConfig,
        {"modules_to_save": ["lm_head"]},
        "prompt tuning with a head that is trained in full",
    ),
    "prefix_opt": (untied_opt, PrefixTuningConfig, {}, "prefix tuning on OPT"),
    "prefix_llama": (tiny_llama, PrefixTuningConfig, {}, "prefix tuning on Llama: as many heads as keys have"),
    "prefix_bloom": (family("bloom"), PrefixTuningConfig, {}, "prefix tuning on BLOOM"),
    "prefix_gemma2": (family("gemma2"), PrefixTuningConfig, {}, "prefix tuning on Gemma 2"),
    "prefix_gemma3": (family("gemma3"), PrefixTuningConfig, {}, "prefix tuning on Gemma 3"),
    "prefix_phi3": (family("phi3"), PrefixTuningConfig, {}, "prefix tuning on Phi-3"),
    "prefix_qwen2": (family("qwen2"), PrefixTuningConfig, {}, "prefix tuning on Qwen 2"),
    "prefix_qwen3": (family("qwen3"), PrefixTuningConfig, {}, "prefix tuning on Qwen 3"),
    "prefix_gpt2_projected": (
        tiny_gpt2,
        PrefixTuningConfig,
        {"prefix_projection": True, "encoder_hidden_size": 10},
        "prefix tuning on GPT-2 with a network that computes the prefix",
    ),
    "ptuning_gpt2_mlp": (tiny_gpt2, PromptEncoderConfig, {"encoder_hidden_size": 12}, "P-tuning on GPT-2, three layers"),
    "ptuning_opt_lstm": (
        untied_opt,
        PromptEncoderConfig,
        {"encoder_reparameterization_type": "LSTM", "encoder_hidden_size": 6},
        "P-tuning on OPT with an LSTM of two layers",
    ),
    "multitask_llama": (
        tiny_llama,
        MultitaskPromptTuningConfig,
        {"num_tasks": 3, "num_ranks": 2},
        "multitask prompt tuning on Llama: tasks 2 and 0",
    ),
    "cartridge_llama": (tiny_llama, CartridgeConfig, {}, "a cartridge on Llama whose first token is frozen"),
    "cpt_opt": (
        untied_opt,
        CPTConfig,
        {
            "cpt_token_ids": [5, 9, 30, 12, 7, 22, 4, 31],
            "cpt_tokens_type_mask": [1, 2, 3, 4, 5, 6, 7, 8],
            "opt_weighted_loss_type": "decay",
            "opt_loss_decay_factor": 0.6,
            "opt_projection_epsilon": 6.0,
            "opt_projection_format_epsilon": 9.0,
        },
        "context-aware prompt tuning on OPT: two examples, whose answers count less",
    ),
}


def write_case(folder, make, kind, values, note):
    base = make()
    base.save_pretrained(folder / "base")
    is_prefix = kind in (PrefixTuningConfig, CartridgeConfig)
    batch = causal_batch()
    left = left_padded_batch() if is_prefix or base.config.model_type != "gpt2" else unpadded_batch()
    # Where the text's own positions matter, they are those that `generate` counts.
    counted = dict(left)
    if is_prefix:
        counted["position_ids"] = (left["attention_mask"].cumsum(1) - 1).clamp(min=0)
    tasks = {"task_ids": torch.tensor([2, 0])} if kind is MultitaskPromptTuningConfig else {}
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors |= {f"left.{name}": value for name, value in left.items()}
    tensors |= {f"in.{name}": value for name, value in tasks.items()}
    tensors["base.logits"] = common.logits_of(base, batch)
    batch, left, counted = batch | tasks, left | tasks, counted | tasks

    torch.manual_seed(1)
    tokens = {} if kind is CPTConfig else {"num_virtual_tokens": TOKENS}
    config = kind(task_type="CAUSAL_LM", **tokens, **values)
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model)
    if kind is CartridgeConfig:
        tensors["frozen"] = model.prompt_encoder["default"].frozen_embedding
    model.save_pretrained(folder / "adapter")
    tensors |= {f"param.{n}": p for n, p in model.named_parameters() if p.requires_grad}
    tensors["adapter.logits"] = common.logits_of(model, batch)
    tensors["adapter.left_logits"] = common.logits_of(model, counted)
    tensors["adapter.loss"], grads = common.gradients_of(model, batch)
    assert all(gradient.abs().max() > 0 for gradient in grads.values()), "a parameter without influence"
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    tensors |= generate_greedily(model, left, uncached=not is_prefix)  # Python has no prefix without a cache
    beams = GenerationConfig(eos_token_id=None, **{**GREEDY, "num_beams": 3})
    tensors["gen.beam_ids"] = model.generate(**left, generation_config=beams)
    gaps, unstable = common.float64_gaps(model, batch)
    trainable, total = model.get_nb_trainable_parameters()
    trained = copy.deepcopy(model)
    if kind is CPTConfig:
        trained.prompt_encoder["default"].set_updated_tokens()  # a copy loses the hook that masks gradients
    tensors["train.losses"], after = common.train_steps(trained, batch)
    tensors |= {f"train.after.{name}": value for name, value in after.items()}

    loaded = PeftModel.from_pretrained(make(), str(folder / "adapter")).eval()
    difference = (common.logits_of(loaded, batch) - tensors["adapter.logits"]).abs().max()
    assert difference < 1e-5, f"the saved adapter computes something else: {difference}"
    shift = tensors["adapter.logits"][:, -batch["input_ids"].shape[1] :] - tensors["base.logits"]
    assert shift.abs().max() > 0.05, "the virtual tokens must be audible"
    assert gaps["logits"] < common.TOLERANCES["forward"] / 3, gaps
    assert gaps["gradient"] < common.TOLERANCES["gradient"] / 4, gaps
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
            "generation": {"max_new_tokens": NEW_TOKENS, "do_sample": False, "num_beams": [1, 3], "eos_token_id": None},
            "peftClass": type(model).__name__,
            "trainableParameters": trainable,
            "allParameters": total,
            "config": config.to_dict(),
        },
    )


def section(name):
    make, kind, values, note = CASES[name]
    return lambda folder: write_case(folder, make, kind, values, note)


SECTIONS = {name: section(name) for name in CASES}
