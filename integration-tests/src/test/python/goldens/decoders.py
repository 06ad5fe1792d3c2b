"""Decoder architectures: one folder per model with base/, io.safetensors and case.json, and `rope.json`, the angles.

Attention is computed as "eager" computes it: the formula of each model's own file, which the kernels only approximate
(Gemma 2's bounded scores are known to "eager" alone).
"""

import copy
import json

import torch
import transformers
from transformers import GenerationConfig

from . import common
from .common import EOS, PAD, VOCAB

NEW_TOKENS = 8
BFLOAT16_TOLERANCE = 0.15

SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 36,
    "intermediate_size": 28,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "pad_token_id": PAD,
    "bos_token_id": EOS,
    "eos_token_id": EOS,
}

LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 8,
    "short_factor": [1.0, 1.1, 1.3, 1.2, 1.6, 2.1],
    "long_factor": [1.5, 2.3, 3.1, 5.2, 8.4, 11.0],
}

# 8 of 12 elements of a head turn
PARTIAL_FACTORS = {key: LONGROPE[key][:4] for key in ("short_factor", "long_factor")}

LLAMA_ROPES = {
    "linear": {"rope_type": "linear", "factor": 3.0, "rope_theta": 5000.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.5, "rope_theta": 10000.0},
    "yarn": {
        "rope_type": "yarn",
        "factor": 4.0,
        "rope_theta": 10000.0,
        "original_max_position_embeddings": 16,
        "beta_fast": 4.0,
        "beta_slow": 1.0,
    },
    "longrope": {**LONGROPE, "factor": 8.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "rope_theta": 5000.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
}

# name -> (config class, model class, changes, variants: name -> further changes with the same weights)
CASES = {
    "llama": (
        "LlamaConfig",
        "LlamaForCausalLM",
        {"attention_bias": True, "mlp_bias": True},
        {
            name: {"rope_parameters": rope, "max_position_embeddings": 8 if name == "dynamic" else 64}
            for name, rope in LLAMA_ROPES.items()
        },
    ),
    "llama_tied": (
        "LlamaConfig",
        "LlamaForCausalLM",
        {"tie_word_embeddings": True, "head_dim": 10, "num_attention_heads": 6, "num_key_value_heads": 2},
        {},
    ),
    "mistral": ("MistralConfig", "MistralForCausalLM", {"sliding_window": 4}, {"full": {"sliding_window": None}}),
    "qwen2": (
        "Qwen2Config",
        "Qwen2ForCausalLM",
        {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1},
        {"full": {"use_sliding_window": False}},
    ),
    "qwen3": (
        "Qwen3Config",
        "Qwen3ForCausalLM",
        {
            "head_dim": 8,
            "use_sliding_window": True,
            "sliding_window": 5,
            "layer_types": ["sliding_attention", "full_attention"],
            "attention_bias": True,
        },
        {},
    ),
    "gemma2": (
        "Gemma2Config",
        "Gemma2ForCausalLM",
        {
            "head_dim": 8,
            "sliding_window": 4,
            "query_pre_attn_scalar": 19,
            "attn_logit_softcapping": 1.5,
            "final_logit_softcapping": 2.5,
        },
        {"unbounded": {"attn_logit_softcapping": None, "final_logit_softcapping": None}},
    ),
    "gemma3": (
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        {
            "head_dim": 8,
            "num_hidden_layers": 3,
            "sliding_window": 4,
            "query_pre_attn_scalar": 11,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
            },
        },
        {},
    ),
    "gpt2": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "scale_attn_by_inverse_layer_idx": True},
        {"plain": {"scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": False}},
    ),
    "phi3": (
        "Phi3Config",
        "Phi3ForCausalLM",
        {
            "original_max_position_embeddings": 8,
            "rope_parameters": {**LONGROPE, "partial_rotary_factor": 0.7, **PARTIAL_FACTORS},
        },
        {"sliding": {"sliding_window": 4, "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}},
    ),
    "bloom": (
        "BloomConfig",
        "BloomForCausalLM",
        {},
        {"behind": {"apply_residual_connection_post_layernorm": True}},
    ),
}

# encoders whose tokens see those before them only
DECODING = {"is_decoder": True, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

CASES |= {
    "opt": (
        "OPTConfig",
        "OPTForCausalLM",
        {"dropout": 0.0, "attention_dropout": 0.0, "word_embed_proj_dim": 24, "do_layer_norm_before": False},
        {},
    ),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", {"head_dim": 8, "attention_bias": True}, {}),
    "gpt_neox": (
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.5}},
        {"serial": {"use_parallel_residual": False}},
    ),
    "phi": (
        "PhiConfig",
        "PhiForCausalLM",
        {"qk_layernorm": True},
        {"linear": {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "partial_rotary_factor": 0.7}}},
    ),
    "gptj": ("GPTJConfig", "GPTJForCausalLM", {"rotary_dim": 8}, {"full": {"rotary_dim": 12}}),
    "granite": (
        "GraniteConfig",
        "GraniteForCausalLM",
        {
            "embedding_multiplier": 3.0,
            "logits_scaling": 1.7,
            "residual_multiplier": 0.6,
            "attention_multiplier": 0.21,
            "mlp_bias": True,
        },
        {},
    ),
    "bert": ("BertConfig", "BertLMHeadModel", DECODING, {}),
    "electra": ("ElectraConfig", "ElectraForCausalLM", {**DECODING, "embedding_size": 12}, {}),
    "roberta": ("RobertaConfig", "RobertaForCausalLM", {**DECODING, "layer_norm_eps": 1e-5}, {}),
    "starcoder2": (
        "Starcoder2Config",
        "Starcoder2ForCausalLM",
        {"sliding_window": 4, "tie_word_embeddings": False},
        {"full": {"sliding_window": None}},
    ),
}

# these have other names for sizes
NAMED = {
    "opt": {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 28, "max_position_embeddings": 64},
    "gpt2": {"n_embd": 36, "n_layer": 2, "n_head": 3, "n_inner": 28, "n_positions": 64},
    "gptj": {"n_embd": 36, "n_layer": 2, "n_head": 3, "n_inner": 28, "n_positions": 64},
    "bloom": {"hidden_size": 36, "n_layer": 2, "n_head": 3},
}


def sizes(name):
    shared = {key: SIZES[key] for key in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id")}
    return {**shared, **NAMED[name]} if name in NAMED else SIZES


def batches():
    """The same two sequences padded on the right, with labels, and on the left; longer than windows and ropes."""
    long = [2, 5, 6, 17, 8, 29, 31, 4, 12, 38, 21]
    short = [2, 9, 33, 4, 11, 19, 7]
    gap = [PAD] * (len(long) - len(short))
    ones, zeros = [1] * len(short), [0] * len(gap)
    right = {"input_ids": [long, short + gap], "attention_mask": [[1] * len(long), ones + zeros]}
    left = {"input_ids": [long, gap + short], "attention_mask": [[1] * len(long), zeros + ones]}
    right, left = ({k: torch.tensor(v) for k, v in batch.items()} for batch in (right, left))
    right["labels"] = torch.where(right["attention_mask"] == 1, right["input_ids"], torch.tensor(-100))
    return right, left


def build(name):
    config_class, model_class, changes, _ = CASES[name]
    model = create(config_class, model_class, {**sizes(name), **changes})
    common.loud(model, seed=11, scale=0.25)
    if "gemma" in name:  # their norms are scaled by 1 + weight
        for key, parameter in model.named_parameters():
            if "norm" in key:
                parameter.data -= 1
    return model.eval()


def create(config_class, model_class, values):
    config = getattr(transformers, config_class)(**values)
    return getattr(transformers, model_class)._from_config(config, attn_implementation="eager")


def write_case(folder):
    name = folder.name.removeprefix("decoder_")
    config_class, model_class, changes, variants = CASES[name]
    model = build(name)
    model.save_pretrained(folder / "base")
    right, left = batches()
    tensors = {f"in.{key}": value for key, value in right.items()} | {f"left.{k}": v for k, v in left.items()}
    tensors |= measure(model, right, left)
    for variant, further in variants.items():
        other = create(config_class, model_class, {**sizes(name), **changes, **further})
        other.load_state_dict(model.state_dict())
        other.eval().save_pretrained(folder / "variant")
        (folder / "variant" / "config.json").rename(folder / f"config.{variant}.json")
        tensors[f"{variant}.logits"] = common.logits_of(other, right)
        tensors[f"{variant}.gen.ids"] = generate(other, left)
        real = right["attention_mask"] == 1
        gap = (tensors[f"{variant}.logits"] - tensors["base.logits"])[real].abs().max()
        assert gap > 0.02, (variant, "must be audible", gap)
        for file in (folder / "variant").iterdir():
            file.unlink()
        (folder / "variant").rmdir()
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "versions": common.versions(),
            "tolerances": {**common.TOLERANCES, "bfloat16": BFLOAT16_TOLERANCE},
            "variants": list(variants),
            "modules": [key for key, _ in model.named_modules()],
            "state": {key: list(value.shape) for key, value in model.state_dict().items()},
            "parameters": model.num_parameters(),
        },
    )


def measure(model, right, left):
    """Logits, loss, hidden states, attention weights, gradients, greedy ids, and logits in bfloat16."""
    tensors = {"base.logits": common.logits_of(model, right)}
    with torch.no_grad():
        tensors["base.left_logits"] = model(**left, **common.positions(model, left)).logits
        plain = {key: value for key, value in right.items() if key != "labels"}
        output = model(**plain, output_hidden_states=True, output_attentions=True, use_cache=False)
    for i, hidden in enumerate(output.hidden_states):
        tensors[f"hidden.{i}"] = hidden
    for i, weights in enumerate(output.attentions):
        tensors[f"attention.{i}"] = weights
    tensors["base.loss"], grads = common.gradients_of(model, right)
    tensors |= {f"grad.{n}": grads[n] for n in audible(model, grads)}
    tensors["base.gen.ids"] = generate(model, left)
    narrow = copy.deepcopy(model).to(torch.bfloat16)
    tensors["bfloat16.logits"] = common.logits_of(narrow, right)
    wide = copy.deepcopy(model).double()
    real = right["attention_mask"] == 1
    first = {key: value[:1] for key, value in right.items()}  # rows of padding that see nothing are NaN in float64
    gap = common._distance(tensors["base.logits"][:1], common.logits_of(wide, first))
    assert gap < common.TOLERANCES["forward"] / 3, gap
    gap = common._distance(tensors["bfloat16.logits"].float()[real], tensors["base.logits"][real])
    assert gap < BFLOAT16_TOLERANCE, ("bfloat16", gap)
    return tensors


def audible(model, grads):
    """The embedding, the last norm, and of each layer's ends one matrix, and a bias and a norm of the first."""
    last = f".{model.config.num_hidden_layers - 1}."
    first = [n for n in grads if ".0." in n]
    matrices = [n for n in grads if last in n and grads[n].dim() > 1]
    kept = [next(iter(grads)), matrices[0], matrices[-1]]
    kept += [n for n in grads if last not in n and ".0." not in n and ("norm" in n.lower() or "ln_f" in n)][-1:]
    kept += [n for n in first if n.endswith("bias")][:1] + [n for n in first if "norm" in n.lower() or "ln_" in n][:1]
    return dict.fromkeys(kept)


def generate(model, left):
    """Greedy ids of the left-padded batch, with a cache; the same as without."""
    model.generation_config.eos_token_id = None  # else it would stop the rows that find it
    if model.config.model_type == "roberta":  # the positions that these tokens have in a forward pass
        left = left | {"position_ids": left["attention_mask"].cumsum(1) * left["attention_mask"] + PAD}
    settings = GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=PAD, eos_token_id=None)
    output = model.generate(**left, generation_config=settings, return_dict_in_generate=True, output_logits=True)
    top = torch.stack(output.logits).topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1]).min() > 5e-4, "greedy choice too close to a tie"
    return output.sequences


# ------------------------------------------------------------------------------------------------------------- ropes

ROPES = {
    "llama2": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "llama3.1": {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    },
    "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0}},
    "dynamic": {
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    },
    "qwen_yarn": {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 1000000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
        },
    },
    "yarn_mscale": {
        "max_position_embeddings": 163840,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 40.0,
            "beta_fast": 32,
            "beta_slow": 1,
            "mscale": 0.707,
            "mscale_all_dim": 0.9,
            "truncate": False,
            "original_max_position_embeddings": 4096,
        },
    },
    "partial_longrope": {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.75,
            "short_factor": [1.0 + 0.02 * i for i in range(48)],
            "long_factor": [1.0 + 0.35 * i for i in range(48)],
            "original_max_position_embeddings": 4096,
        },
    },
    # settings of which transformers warns at most
    "theta_half": {"rope_parameters": {"rope_type": "default", "rope_theta": 0.5}},
    "theta_true": {"rope_parameters": {"rope_type": "default", "rope_theta": True}},
    "linear_half": {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000, "factor": 0.5}},
    "linear_backwards": {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": -2.5}},
    "dynamic_half": {
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 0.5},
    },
    "yarn_half": {
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 0.5,
            "beta_fast": 0,
            "beta_slow": 2,
            "mscale": 0,
            "mscale_all_dim": 0.9,
            "original_max_position_embeddings": 2048.5,
        },
    },
    "llama3_half": {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 0.25,
            "low_freq_factor": 0.5,
            "high_freq_factor": 3,
            "original_max_position_embeddings": 8192,
        },
    },
    "longrope_one_factor": {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "factor": 0.7,
            "short_factor": [1.3],
            "long_factor": [0.4],
            "original_max_position_embeddings": 4096.5,
        },
    },
}

ROPE_LENGTHS = [100, 5000]


def write_ropes(path):
    """Angles per position and scaling for settings of real sizes, for a short and a long sequence."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

    result = {}
    for name, changes in ROPES.items():
        values = {"hidden_size": 512, "num_attention_heads": 4, "head_dim": 128, **changes}
        config = transformers.LlamaConfig(**values)
        rope_type = config.rope_parameters["rope_type"]
        function = ROPE_INIT_FUNCTIONS.get(rope_type, Phi3RotaryEmbedding.compute_default_rope_parameters)
        result[name] = {"config": changes, "lengths": {}}
        for length in ROPE_LENGTHS:
            angles, scaling = function(config, torch.device("cpu"), seq_len=length)
            result[name]["lengths"][length] = {"angles": angles.tolist(), "attentionScaling": scaling}
    common.write_json(path, result)


# ----------------------------------------------------------------------------------------------------------- configs

TYPES = {
    "llama": "LlamaConfig",
    "mistral": "MistralConfig",
    "qwen2": "Qwen2Config",
    "qwen3": "Qwen3Config",
    "gemma2": "Gemma2Config",
    "gemma3_text": "Gemma3TextConfig",
    "phi3": "Phi3Config",
    "gpt2": "GPT2Config",
    "bloom": "BloomConfig",
    "gemma": "GemmaConfig",
    "gpt_neox": "GPTNeoXConfig",
    "phi": "PhiConfig",
    "gptj": "GPTJConfig",
    "granite": "GraniteConfig",
    "starcoder2": "Starcoder2Config",
}

# files as older versions wrote them
OLDER = [
    ("llama", {"rope_theta": 500000.0, "rope_scaling": {
        "type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}}),
    ("llama", {"hidden_size": 64, "num_attention_heads": 4, "rope_scaling": None, "pad_token_id": -1}),
    ("llama", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 3.0}, "rope_theta": 7.0}),
    ("mistral", {"sliding_window": None, "rope_theta": 1000000.0, "eos_token_id": [2, 7], "head_dim": 100}),
    ("qwen2", {"num_hidden_layers": 3, "use_sliding_window": True, "max_window_layers": 2, "rope_theta": 1000000.0}),
    ("qwen2", {"num_hidden_layers": 2, "sliding_window": 99, "max_window_layers": 1}),
    ("qwen3", {"num_hidden_layers": 2, "layer_types": ["full_attention", "sliding_attention"], "sliding_window": 9,
               "use_sliding_window": True}),
    ("gemma2", {"num_hidden_layers": 3, "attn_logit_softcapping": None, "rope_theta": 5000.0}),
    ("gemma3_text", {"num_hidden_layers": 4, "sliding_window_pattern": 2, "rope_theta": 900000.0,
                     "rope_local_base_freq": 8000.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    ("gemma3_text", {"num_hidden_layers": 2, "rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 3.0}, "sliding_attention": {"rope_type": "default"}}}),
    ("phi3", {"max_position_embeddings": 131072, "hidden_size": 32, "num_attention_heads": 4, "rope_scaling": {
        "type": "longrope", "short_factor": [1.0, 1.5, 2.0, 2.5], "long_factor": [1.0, 2.0, 4.0, 8.0]}}),
    ("phi3", {"hidden_size": 32, "num_attention_heads": 4, "partial_rotary_factor": 0.75, "rope_theta": 250000.0}),
    ("gpt2", {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 6, "n_ctx": 1024, "n_inner": 7}),
    ("gemma", {"hidden_act": "gelu", "hidden_activation": None, "rope_theta": 7000.0}),
    ("gpt_neox", {"rotary_pct": 0.5, "rotary_emb_base": 100000, "rope_scaling": {"type": "linear", "factor": 2.0}}),
    ("gpt_neox", {"hidden_size": 64, "num_attention_heads": 4, "rope_scaling": None}),
    ("phi", {"partial_rotary_factor": 0.375, "rope_theta": 20000.0, "num_key_value_heads": 4}),
    ("phi", {"rope_parameters": {"rope_type": "default", "rope_theta": 3.0, "partial_rotary_factor": 0.25}}),
    ("granite", {"rope_theta": 5000000.0, "attention_multiplier": 0.0078125, "logits_scaling": 8.0}),
    ("starcoder2", {"rope_theta": 999999.4420358813, "sliding_window": 4096}),
    ("gptj", {"hidden_size": 64, "num_attention_heads": 4, "rotary_dim": 16, "n_inner": 7}),
    ("bloom", {"n_embed": 48, "num_attention_heads": 6, "num_hidden_layers": 3, "seq_length": 512}),
]


def write_configs(path):
    """What each config class makes of an empty file and of older files: {modelType, given, expected}."""
    rows = []
    for model_type, given in [(name, {}) for name in TYPES] + OLDER:
        config = getattr(transformers, TYPES[model_type]).from_dict(copy.deepcopy(given))
        expected = json.loads(config.to_json_string())
        expected.pop("transformers_version")
        rows.append({"modelType": model_type, "given": given, "expected": expected})
    common.write_json(path, rows)


def write_roles(path):
    """{modelType: {lora, ia3FeedForward, classes}}: what PEFT adapts by default (nothing in Phi-3), classes with heads."""
    from peft.utils import constants

    lora = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    ia3 = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
    tasks = ("Model", "ForCausalLM", "LMHeadModel", "ForSequenceClassification", "ForTokenClassification")
    rows = {}
    for name, config in TYPES.items():
        stems = {config.removesuffix("Config"), config.removesuffix("TextConfig")} if "Text" in config else {config[:-6]}
        names = [stem + task for stem in sorted(stems) for task in (*tasks, "ForQuestionAnswering")]
        classes = [getattr(transformers, n) for n in names if hasattr(transformers, n)]
        kept = [c.__name__ for c in classes if c.config_class is None or c.config_class.model_type == name]
        rows[name] = {"lora": lora.get(name), "ia3FeedForward": ia3.get(name), "classes": kept}
    common.write_json(path, rows)


SECTIONS = {f"decoder_{name}": write_case for name in CASES} | {"rope.json": write_ropes, "decoder_configs.json": write_configs, "decoder_roles.json": write_roles}
