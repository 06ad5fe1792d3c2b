"""golden/word_ids.json: kind of tokenizer_kinds -> rows {words, sequences} of texts and pairs of its texts.json, -1 for None."""

import json

from transformers import AutoTokenizer

from . import common

KINDS = ["bert", "roberta", "qwen2", "llama", "t5", "gemma", "word_level", "deberta", "added_json", "tiktoken"]
GOLDEN = common.Path(__file__).parents[2] / "resources" / "golden" / "tokenizer_kinds"


def row(encoding):
    def plain(ids):
        return [-1 if i is None else i for i in ids]

    return {"words": plain(encoding.word_ids()), "sequences": plain(encoding.sequence_ids())}


def write(path):
    given = json.loads((GOLDEN / "texts.json").read_text())
    result = {}
    for kind in KINDS:
        tokenizer = AutoTokenizer.from_pretrained(GOLDEN / kind)
        result[kind] = {
            "texts": [row(tokenizer(text)) for text in given["texts"]],
            "pairs": [row(tokenizer(*pair)) for pair in given["pairs"]],
        }
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n")


SECTIONS = {"word_ids.json": write}
