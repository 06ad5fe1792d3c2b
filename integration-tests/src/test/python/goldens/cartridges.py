"""golden/cartridges: the helpers of peft/tuners/cartridge/utils.py, over llama_lora/base and opt_embedding/base.

tokenizer/ is of words; io.safetensors: `<case>.embeddings` (n, 2 l d), `<case>.logits` of `in.input_ids` behind them; `cache.ids`,
the text whose cache case "cache" begins with. first/, second/ are cartridges of which compose_cartridge_adapters makes composed/.
"""

import torch
from peft import CartridgeConfig, PrefixTuningConfig, get_peft_model
from peft.tuners.cartridge.utils import (
    compose_cartridge_adapters,
    initialize_kv_prefix_from_past_key_values,
    initialize_kv_prefix_from_text,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from . import common
from .lora_decoders import tiny_llama

WORDS = ["<unk>", "<pad>", "</s>", "<s>", "system", "the", "sun", "moon", "rises", "sets", "over", "hills", "and", "sea", "again"]
TEXT = "the sun rises over the hills and the moon sets over the sea"
TEMPLATE = "{% for m in messages %}<s> {{ m['role'] }} {{ m['content'] }} </s>{% endfor %}"

CASES = {
    "plain": (tiny_llama, CartridgeConfig, {"use_chat_template": False}),
    "chat": (tiny_llama, CartridgeConfig, {}),
    "cut": (tiny_llama, CartridgeConfig, {"max_length": 4}),
    "plain_cut": (tiny_llama, CartridgeConfig, {"use_chat_template": False, "max_length": 5}),
    "prefix": (lambda: common.tiny_opt(tie_word_embeddings=False), PrefixTuningConfig, {}),
}


def words():
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )
    made.chat_template = TEMPLATE
    return made


def adapted(make, kind):
    base = make()
    base.name_or_path = base.config.name_or_path = ""
    return get_peft_model(base, kind(task_type="CAUSAL_LM", num_virtual_tokens=3)).eval()


def write(folder):
    tokenizer = words()
    tokenizer.save_pretrained(folder / "tokenizer")
    batch = {"input_ids": torch.tensor([[2, 5, 6, 17, 8], [9, 33, 4, 11, 29]])}
    tensors = {"in.input_ids": batch["input_ids"]}
    for case, (make, kind, options) in CASES.items():
        model = adapted(make, kind)
        tensors[f"{case}.embeddings"] = initialize_kv_prefix_from_text(model, tokenizer, text=TEXT, **options)
        tensors[f"{case}.logits"] = common.logits_of(model, batch)
    ids = torch.tensor([[7, 3, 21, 39, 12, 5, 30]])
    model = adapted(tiny_llama, CartridgeConfig)
    with torch.no_grad():
        past = model.get_base_model()(input_ids=ids, use_cache=True).past_key_values
    tensors["cache.ids"] = ids
    tensors["cache.embeddings"] = initialize_kv_prefix_from_past_key_values(model, past_key_values=past)
    tensors["cache.logits"] = common.logits_of(model, batch)
    for name, tokens in (("first", 3), ("second", 2)):
        torch.manual_seed(tokens)
        base = tiny_llama()
        base.name_or_path = base.config.name_or_path = ""
        made = get_peft_model(base, CartridgeConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens))
        made.save_pretrained(folder / name)
        (folder / name / "README.md").unlink()
    compose_cartridge_adapters([folder / "first", folder / "second"], output_path=folder / "composed")
    common.write_tensors(folder / "io.safetensors", tensors)


SECTIONS = {"cartridges": write}
