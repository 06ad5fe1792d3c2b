"""A tiny byte-level BPE tokenizer in OPT's format, trained here, in both file forms, with expected ids."""

import json

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, GPT2Tokenizer

from . import common

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]

CORPUS = """
The adapter learns a small correction for a large frozen weight. The weight stays where it is, and the correction
is the product of two thin matrices. When the training is over, the correction can be added to the weight, and the
model runs as fast as before. Fine-tuning a language model this way needs little memory: only the thin matrices have
gradients, and only they have optimizer states. A rank of eight is often enough for a small task; harder tasks want
sixteen or sixty-four. It's the user's choice, and they'll find that the learning rate matters more than the rank.
We'd measure first and believe later. In 2023 there were 12 layers, 768 features and 50,272 tokens; now there're more!
    indented lines keep their spaces
\ttabs too, and (parentheses), [brackets], {braces}: all of them. Caf\u00e9s in Z\u00fcrich serve cr\u00e8me
br\u00fbl\u00e9e \u2014 \u201cna\u00efve\u201d fa\u00e7ades, \u00fcber-f\u00e4hig.
The quick brown fox jumps over the lazy dog, and the dog sleeps. Question: what is the rank? Answer: four.
Question: what is the scaling? Answer: alpha over rank.
"""

TEXTS = [
    "",
    " ",
    "   ",
    "The weight stays",
    " The weight stays",
    "  two leading spaces",
    "trailing space ",
    "Hello, world! It's 2023; they'll see.",
    "can't won't I'M WE'RE don'T",
    "caf\u00e9 cr\u00e8me br\u00fbl\u00e9e Z\u00fcrich",
    "cafe\u0301 (combining accent)",
    "\u4f60\u597d\uff0c\u4e16\u754c \u3053\u3093\u306b\u3061\u306f \uc548\ub155",
    "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 flags \U0001f1e8\U0001f1ed",
    "control \u0000\u0001\u001f\u007f\u0085 end",
    "line one\nline two\r\n\n\nline five\ttab",
    "non\u00a0breaking\u2003em\u3000ideographic spaces",
    "\u0645\u0631\u062d\u0628\u0627 \u0448\u0440\u0438\u0444\u0442 \u0939\u093f\u0928\u094d\u0926\u0940",
    "12 345 6789 0.5e-3 \u00bd \u2167 \u0663",
    "a</s>b <pad> <s>x</s> </s >",
    "</s>",
    "under_score __init__ a+b=c; if (x<y) {return;}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\U00010348\U0001d11e\ufeffBOM",
]



def train():
    """OPT's ids: <s> 0, <pad> 1, </s> 2, <unk> 3, then the 256 bytes and the merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    return json.loads(tokenizer.to_str())["model"]


def token(text):
    return {"__type": "AddedToken", "content": text, "lstrip": False, "normalized": True, "rstrip": False,
            "single_word": False}


def write(folder):
    slow, fast = folder / "slow", folder / "fast"
    slow.mkdir(parents=True)
    trained = train()
    merges = [" ".join(m) if isinstance(m, list) else m for m in trained["merges"]]
    (slow / "vocab.json").write_text(json.dumps(trained["vocab"], ensure_ascii=False))
    (slow / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    # The files next to facebook/opt-* have this form.
    config = {
        "add_bos_token": True, "add_prefix_space": False, "bos_token": token("</s>"), "eos_token": token("</s>"),
        "errors": "replace", "pad_token": token("<pad>"), "tokenizer_class": "GPT2Tokenizer",
        "unk_token": token("</s>"),
    }
    (slow / "tokenizer_config.json").write_text(json.dumps(config))
    names = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    specials = {name: {k: v for k, v in token(text).items() if k != "__type"} for name, text in names.items()}
    (slow / "special_tokens_map.json").write_text(json.dumps(specials))

    tokenizer = AutoTokenizer.from_pretrained(str(slow))
    assert isinstance(tokenizer, GPT2Tokenizer), type(tokenizer)
    tokenizer.save_pretrained(str(fast))
    reread = AutoTokenizer.from_pretrained(str(fast))
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == reread(text)["input_ids"], text
        assert tokenizer(text)["input_ids"][0] == 2, "OPT starts every text with </s>"
    common.write_json(folder / "expected.json", expected(tokenizer))


def expected(tokenizer):
    rows = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        rows.append(
            {
                "text": text,
                "ids": ids,
                "idsWithoutSpecial": tokenizer(text, add_special_tokens=False)["input_ids"],
                "tokens": tokenizer.convert_ids_to_tokens(ids),
                "decoded": tokenizer.decode(ids),
                "decodedSkipSpecial": tokenizer.decode(ids, skip_special_tokens=True),
            }
        )
    batch = ["The weight stays", "", "caf\u00e9 \U0001f600 and a longer text that must be cut", " x"]
    padded = []
    for side in ("right", "left"):
        tokenizer.padding_side = side
        for kwargs in (dict(padding=True), dict(padding=True, truncation=True, max_length=8),
                       dict(padding="max_length", truncation=True, max_length=12),
                       dict(padding=True, pad_to_multiple_of=8)):
            encoded = tokenizer(batch, **kwargs)
            padded.append({"side": side, "arguments": kwargs, "ids": encoded["input_ids"],
                           "attentionMask": encoded["attention_mask"]})
    tokenizer.padding_side = "right"
    truncated = []
    for side in ("right", "left"):
        tokenizer.truncation_side = side
        for length in (1, 4, 8):
            ids = tokenizer(batch[2], truncation=True, max_length=length)["input_ids"]
            truncated.append({"side": side, "maxLength": length, "text": batch[2], "ids": ids})
    tokenizer.truncation_side = "right"
    emoji = tokenizer("\U0001f600", add_special_tokens=False)["input_ids"]
    words = tokenizer("The weight", add_special_tokens=False)["input_ids"]
    # Incomplete characters, special tokens in between, nothing.
    streams = [emoji[:1], emoji[:-1], emoji[-1:], [2, *words, 1, 1, 2], [0, 3, *words]]
    streams += [[*emoji, *emoji[:2], *words], []]
    return {
        "versions": common.versions(),
        "vocabSize": tokenizer.vocab_size,
        "length": len(tokenizer),
        "special": {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id,
                    "unk": tokenizer.unk_token_id},
        "texts": rows,
        "batch": batch,
        "padded": padded,
        "truncated": truncated,
        "decodeOnly": [
            {"ids": ids, "decoded": tokenizer.decode(ids),
             "decodedSkipSpecial": tokenizer.decode(ids, skip_special_tokens=True)} for ids in streams
        ],
    }


SECTIONS = {"tokenizer": write}
