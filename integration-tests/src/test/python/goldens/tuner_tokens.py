"""Trainable tokens, alone and beside LoRA: golden/tuner_tokens*, tuner_lora_tokens*; LoRA over scaled embeddings."""

import copy

from peft import LoraConfig, TrainableTokensConfig, get_peft_model

from . import common, decoders, tuners

TASK = {"task_type": "CAUSAL_LM"}
LORA = {"r": 3, "lora_alpha": 7, **TASK}
TIED_LAYERS = ["model.decoder.embed_tokens", "lm_head"]
UNTIED = {"base": "opt_embedding/base", "model": lambda: common.tiny_opt(tie_word_embeddings=False)}
GEMMA = {"base": "decoder_gemma3/base", "model": lambda: decoders.build("gemma3")}



def write_two(folder):
    """Two adapters that train other tokens of one table, acting and merged together. Untied: PEFT fails with a tied head."""
    batch = common.causal_batch()
    first = TrainableTokensConfig(token_indices=[5, 33], **TASK)
    second = TrainableTokensConfig(token_indices=[9, 2, 17], **TASK)
    model = get_peft_model(UNTIED["model"](), first).eval()
    model.add_adapter("second", second)
    for name in ("default", "second"):
        model.set_adapter(name)
        common.fill_trainable(model)
    model.base_model.set_adapter(["default", "second"])
    model.save_pretrained(folder / "adapter")
    for card in (folder / "adapter").rglob("README.md"):
        card.unlink()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["both.logits"] = common.logits_of(model, batch)
    merged = copy.deepcopy(model)
    merged.merge_adapter(adapter_names=["second", "default"])
    tensors["merged.logits"] = common.logits_of(merged, batch)
    merged.unmerge_adapter()
    tensors["unmerged.logits"] = common.logits_of(merged, batch)
    common.write_tensors(folder / "io.safetensors", tensors)


SECTIONS = {"tokens_two": write_two} | tuners.sections(
    {
        "tokens": tuners.case(
            TrainableTokensConfig(token_indices=[33, 2, 5, 20, 1], **TASK),
            "the head is tied and gets the rows too; one token is the padding",
            targeted_modules=TIED_LAYERS,
        ),
        "tokens_untied": tuners.case(
            TrainableTokensConfig(token_indices=[6, 29, 11], target_modules=["embed_tokens", "lm_head"], **TASK),
            "table and head are trained apart",
            **UNTIED,
        ),
        "tokens_random": tuners.case(
            TrainableTokensConfig(token_indices=[17, 4], target_modules=["lm_head"], init_weights=False, **TASK),
            "a head alone, whose rows start at random",
            **UNTIED,
        ),
        "tokens_gemma3": tuners.case(
            TrainableTokensConfig(token_indices=[8, 31, 9], **TASK),
            "rows of a table that multiplies what it gives",
            targeted_modules=["model.embed_tokens", "lm_head"],
            scale=0.5,
            **GEMMA,
        ),
        "lora_tokens": tuners.case(
            LoraConfig(target_modules=["q_proj"], trainable_token_indices=[5, 33, 9], **LORA),
            "beside LoRA, with a tied head",
            targeted_modules=[*TIED_LAYERS, "q_proj", "q_proj"],
        ),
        "lora_tokens_untied": tuners.case(
            LoraConfig(
                target_modules=["v_proj", "fc1"],
                trainable_token_indices={"embed_tokens": [2, 8], "lm_head": [17, 4, 31]},
                **LORA,
            ),
            "beside LoRA, other tokens in the table than in the head",
            targeted_modules=["embed_tokens", "lm_head", "v_proj", "fc1", "v_proj", "fc1"],
            **UNTIED,
        ),
        "lora_gemma3": tuners.case(
            LoraConfig(target_modules=["embed_tokens", "k_proj"], **LORA),
            "LoRA over a table that multiplies what it gives; the head is tied (PEFT merges into both, we do not)",
            mergeable=False,
            **GEMMA,
        ),
    }
)
