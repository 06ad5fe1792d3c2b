"""Adaption prompts: golden/tuner_adaption_prompt*."""

from peft import AdaptionPromptConfig

from . import decoders, tuners
from .lora_decoders import tiny_gpt2, tiny_llama

TASK = {"task_type": "CAUSAL_LM"}


def layers(*names):
    """Python's get_layer_status refuses these models, and names no modules."""
    return {"targeted_modules": list(names)}


SECTIONS = tuners.sections(
    {
        "adaption_prompt": tuners.case(
            AdaptionPromptConfig(adapter_len=4, adapter_layers=1, **TASK),
            "vectors beside the text in the upper layer; fewer heads for keys than for queries",
            base="llama_lora/base",
            model=tiny_llama,
            offset=0.7,
            **layers("model.layers.1.self_attn"),
        ),
        "adaption_prompt_gpt2": tuners.case(
            AdaptionPromptConfig(adapter_len=3, adapter_layers=2, **TASK),
            "GPT-2, in all layers: not projected back",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            offset=0.7,
            **layers("transformer.h.0.attn", "transformer.h.1.attn"),
        ),
        "adaption_prompt_mistral": tuners.case(
            AdaptionPromptConfig(adapter_len=5, adapter_layers=2, target_modules="self_attn", **TASK),
            "Mistral, behind a window",
            base="decoder_mistral/base",
            model=lambda: decoders.build("mistral"),
            offset=0.7,
            **layers("model.layers.0.self_attn", "model.layers.1.self_attn"),
        ),
    }
)
