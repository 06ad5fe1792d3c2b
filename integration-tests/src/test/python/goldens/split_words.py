"""golden/split_words.json: texts that are split into words, and spaces in front of a text.

"words": the lists; "kinds": kind of tokenizer_kinds -> rows {ids, words, offsets} of the lists (is_split_into_words=True),
-1 for None; "windows": rows {ids, words} of the first list, cut at 9 tokens with a stride of 2; "prefixed": kind -> {config: ids of
TEXT with add_prefix_space=True in from_pretrained, file: with it in tokenizer_config.json beside a tokenizer.json without it,
without: as the tokenizer is}.
"""

import json
import tempfile

from transformers import AutoTokenizer

from . import common

WORDS = [
    ["Hello,", "world", "don't", "don't", "naïve", "😀x", "of", "the", "people.", "(A)"],
    ["one"],
    ["", "two", "  three", "four\n"],
    ["</s>", "12345", "日本語"],
]
TEXT = "Hello world, don't"
KINDS = ["bert", "roberta", "roberta_prefix", "qwen2", "llama", "t5", "word_level", "deberta", "xlm_roberta"]
PREFIXED = ["roberta", "qwen2", "added_json"]
GOLDEN = common.Path(__file__).parents[2] / "resources" / "golden" / "tokenizer_kinds"


def plain(ids):
    return [-1 if i is None else i for i in ids]


def row(encoding):
    return {"ids": encoding["input_ids"], "words": plain(encoding.word_ids()), "offsets": encoding["offset_mapping"]}


def windows(tokenizer):
    batch = tokenizer(
        WORDS[0], is_split_into_words=True, truncation=True, max_length=9, stride=2, return_overflowing_tokens=True
    )
    return [{"ids": ids, "words": plain(batch.word_ids(i))} for i, ids in enumerate(batch["input_ids"])]


def prefixed(kind):
    with tempfile.TemporaryDirectory() as folder:
        folder = common.Path(folder)
        AutoTokenizer.from_pretrained(GOLDEN / kind).save_pretrained(folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config["add_prefix_space"] = True
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return {
            "config": AutoTokenizer.from_pretrained(GOLDEN / kind, add_prefix_space=True)(TEXT)["input_ids"],
            "file": AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"],
            "without": AutoTokenizer.from_pretrained(GOLDEN / kind)(TEXT)["input_ids"],
        }


def write(path):
    result = {"words": WORDS, "kinds": {}, "windows": {}, "prefixed": {kind: prefixed(kind) for kind in PREFIXED}}
    for kind in KINDS:
        tokenizer = AutoTokenizer.from_pretrained(GOLDEN / kind)
        result["kinds"][kind] = [
            row(tokenizer(words, is_split_into_words=True, return_offsets_mapping=True)) for words in WORDS
        ]
        result["windows"][kind] = windows(tokenizer)
    path.write_text(json.dumps(result, separators=(",", ":"), ensure_ascii=False) + "\n")


SECTIONS = {"split_words.json": write}
