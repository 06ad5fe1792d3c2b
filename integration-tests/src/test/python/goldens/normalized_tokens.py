"""golden/normalized_tokens.json: where tokenizers of every kind find added tokens, most of them in the normalized text.

Rows {kind of tokenizer_kinds, tokens (AddedToken's fields), added, length, texts: text -> ids}.
"""

import random

from tokenizers import AddedToken
from transformers import AutoTokenizer

from . import common

KINDS = common.Path(__file__).parents[2] / "resources" / "golden" / "tokenizer_kinds"
CONTENTS = ["NEW", "new word", "\u00dcn\u00efcode", "a b", "\ufb01ne", " lead", "trail ", "\u2581x", "<X>", "\u0130st", "\u4f60\u597d\u5440",
            "\u00e9x", "The weight", "x\u00a0y", "\uff21\uff22", "<tool>", "TOK"]
FILL = ["the weight", " ", "  ", ", ", "A", "\u00e9", "\u4f60\u597d", "X", ".", "\n", "b c"]


def write(path):
    draw = random.Random(5)
    result = []
    for kind in sorted(folder.name for folder in KINDS.iterdir() if folder.is_dir()):
        for _ in range(2):
            tokenizer = AutoTokenizer.from_pretrained(KINDS / kind)
            tokens = [
                {"content": content, "normalized": draw.random() < 0.8,
                 **{flag: draw.random() < 0.3 for flag in ("single_word", "lstrip", "rstrip", "special")}}
                for content in draw.sample(CONTENTS, 4)
            ]
            added = tokenizer.add_tokens([AddedToken(**token) for token in tokens])
            words = [form for token in tokens for form in (token["content"], token["content"].lower())]
            texts = ["".join(draw.choice(words + FILL) for _ in range(draw.randint(3, 7))) for _ in range(5)]
            result.append({"kind": kind, "tokens": tokens, "added": added, "length": len(tokenizer),
                           "texts": {text: tokenizer(text)["input_ids"] for text in texts}})
    common.write_json(path, result)


SECTIONS = {"normalized_tokens.json": write}
