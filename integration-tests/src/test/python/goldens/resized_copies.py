"""golden/resized_copies: adapters of models with added tokens, in whose files PEFT writes embeddings under several names.

Each folder is an adapter of the base in case.json, resized to `tokens`, with `logits` of `input_ids` and those without the adapter.
"""

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from . import common

GOLDEN = common.Path(__file__).parents[2] / "resources" / "golden"
CASES = {
    "tied": ("opt_lora/base", {"modules_to_save": ["embed_tokens", "lm_head"]}),
    "embeddings": ("opt_lora/base", {"modules_to_save": ["embed_tokens"]}),
    "untied": ("decoder_llama/base", {"modules_to_save": ["embed_tokens", "lm_head"]}),
    "tokens": ("decoder_llama_tied/base", {"trainable_token_indices": {"embed_tokens": [2, 5]}}),
}


def base(folder, tokens):
    model = AutoModelForCausalLM.from_pretrained(GOLDEN / folder, attn_implementation="eager")
    model.resize_token_embeddings(tokens, mean_resizing=False)
    return model


def write(folder):
    facts = {}
    for name, (place, changes) in CASES.items():
        tokens = AutoModelForCausalLM.from_pretrained(GOLDEN / place).config.vocab_size + 3
        torch.manual_seed(len(name))
        model = base(place, tokens)
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            for table in {model.get_input_embeddings().weight, model.get_output_embeddings().weight}:
                table[-3:] = torch.randn(table[-3:].shape, generator=generator)
        model = get_peft_model(
            model,
            LoraConfig(r=2, lora_alpha=5, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM",
                       **changes),
        )
        with torch.no_grad():
            for key, value in model.named_parameters():
                if "modules_to_save" in key or "trainable_tokens" in key:
                    value.add_(torch.randn(value.shape, generator=generator) * 0.3)
        model.save_pretrained(folder / name)
        model = PeftModel.from_pretrained(base(place, tokens), folder / name).eval()
        ids = torch.randint(3, tokens, (2, 6), generator=generator)
        ids[:, 2] = tokens - 2
        with torch.no_grad():
            logits = model(ids).logits
            with model.disable_adapter():
                without = model(ids).logits
        facts[name] = {"base": place, "tokens": tokens}
        common.write_tensors(folder / name / "io.safetensors", {"ids": ids, "logits": logits, "without": without})
    common.write_json(folder / "case.json", facts)


SECTIONS = {"resized_copies": write}
