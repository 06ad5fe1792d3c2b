"""Models of other numbers of tokens than their files have: longer, padded, shorter; tied and not."""

import os

import peft
import tokenizers
import torch
import transformers
from peft import LoraConfig, get_peft_model

from . import common

SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 24}
BERT = SMALL | {"max_position_embeddings": 20, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
DISTILBERT = {"vocab_size": 40, "dim": 16, "n_layers": 1, "n_heads": 4, "hidden_dim": 24, "max_position_embeddings": 20}
T5 = {"vocab_size": 40, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4, "dropout_rate": 0.0}

MODELS = {
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**SMALL, pad_token_id=1)),
    "llama_tied": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**SMALL, tie_word_embeddings=True)),
    "gemma2": (transformers.Gemma2ForCausalLM, transformers.Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=4)),
    "bert": (transformers.BertForMaskedLM, transformers.BertConfig(**BERT)),
    "bert_untied": (transformers.BertForMaskedLM, transformers.BertConfig(**BERT, tie_word_embeddings=False)),
    "distilbert": (transformers.DistilBertForMaskedLM, transformers.DistilBertConfig(**DISTILBERT)),
    "t5": (transformers.T5ForConditionalGeneration, transformers.T5Config(**T5, decoder_start_token_id=0)),
    "t5_untied": (
        transformers.T5ForConditionalGeneration,
        transformers.T5Config(**T5, decoder_start_token_id=0, tie_word_embeddings=False),
    ),
}
SIZES = {"longer": (45, None), "padded": (42, 16), "shorter": (33, None)}


def write_models(folder):
    """The rows of Python's embeddings and heads after each change; new ones are the old ones' mean but for a billionth."""
    tensors = {}
    for seed, (name, (kind, config)) in enumerate(MODELS.items()):
        common.loud(kind(config), seed=50 + seed).save_pretrained(folder / name)
        for change, (count, multiple) in SIZES.items():
            model = kind.from_pretrained(folder / name).eval()
            torch.manual_seed(3)
            model.resize_token_embeddings(count, pad_to_multiple_of=multiple)
            for key, value in model.state_dict().items():
                unused = name == "bert_untied" and key == "cls.predictions.bias"  # becomes the decoder's
                if value.shape[0] == model.config.vocab_size and not unused:
                    tensors[f"{name}.{change}.{key}"] = value.clone()
    common.write_tensors(folder / "io.safetensors", tensors)


def tokenizer(count):
    """One word for each id."""
    words = {"<s>": 2, "<pad>": 1} | {f"w{i}": i for i in range(count) if i not in (1, 2)}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=model, pad_token="<pad>", bos_token="<s>")


def write_adapter(folder):
    """LoRA on a model that was given five more tokens: PEFT saves its embeddings too; with the tokenizer."""
    kind, config = MODELS["llama_tied"]
    common.loud(kind(config), seed=70).save_pretrained(folder / "base")
    here = os.getcwd()
    os.chdir(folder)  # so that the config names the base without where the data was made
    base = kind.from_pretrained("base")
    base.resize_token_embeddings(45)
    base.get_input_embeddings().weight.data = torch.randn(45, 16, generator=torch.Generator().manual_seed(71)) * 0.3
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(72)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    model.eval().save_pretrained("adapter")
    os.chdir(here)
    tokenizer(45).save_pretrained(folder / "adapter")
    ids = torch.tensor([[5, 44, 17, 41, 3]])
    common.write_tensors(folder / "io.safetensors", {"input_ids": ids, "logits": model(input_ids=ids).logits.detach()})


def write_auto(folder):
    """What the Auto classes do with embeddings beside an adapter: of the base's size, of another one, none but a tokenizer."""
    kind, config = MODELS["llama"]
    common.loud(kind(config), seed=73).save_pretrained(folder / "base")
    here = os.getcwd()
    os.chdir(folder)
    ids = torch.tensor([[5, 39, 17, 31, 3], [4, 8, 38, 2, 20]])
    tensors, facts = {"input_ids": ids}, {}
    for seed, (name, count) in enumerate({"same": None, "plain": None, "padded": 48}.items()):
        base = kind.from_pretrained("base")
        base.resize_token_embeddings(count)
        generator = torch.Generator().manual_seed(74 + seed)
        if name != "plain":
            for table in (base.get_input_embeddings(), base.get_output_embeddings()):
                table.weight.data += torch.randn(table.weight.shape, generator=generator) * 0.3
        model = get_peft_model(base, LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj"], task_type="CAUSAL_LM"))
        for parameter in (p for n, p in model.named_parameters() if "lora_" in n):
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        model.eval().save_pretrained(name, save_embedding_layers=True if name == "same" else "auto")
        (folder / name / "README.md").unlink()
        if name != "same":
            tokenizer(45).save_pretrained(name)
        tensors[f"{name}.logits"] = model(input_ids=ids).logits.detach()
        facts[name] = {
            "AutoPeftModelForCausalLM": outcome(lambda: peft.AutoPeftModelForCausalLM.from_pretrained(name), tensors, name),
            "AutoModelForCausalLM": outcome(lambda: transformers.AutoModelForCausalLM.from_pretrained(name), tensors, name),
        }
    os.chdir(here)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), "outcomes": facts})


def outcome(load, tensors, name):
    """How many tokens the loaded model has, once it is known to compute what was saved; 0 if it cannot be loaded."""
    try:
        model = load().eval()
    except RuntimeError as error:
        assert "mismatch" in str(error), error
        return 0
    logits = model(input_ids=tensors["input_ids"]).logits
    assert torch.equal(logits[..., :40], tensors[f"{name}.logits"][..., :40])
    return logits.shape[-1]


SECTIONS = {"resized_auto": write_auto, "resized_models": write_models, "resized_adapter": write_adapter}
