"""What tokenizers make for models, and what they make of tokens, with the folders of the section `tokenizer_kinds`."""

from . import common

KINDS = ["bert", "bert_cased", "roberta", "qwen2", "t5", "llama", "gemma", "deberta"]
PAIR = ("The weight stays", "where it is.")
TEXT = "The weight's  rank stays, caf\u00e9 \U0001f600 here."


def write(target):
    from transformers import AutoTokenizer

    rows = []
    for kind in KINDS:
        tokenizer = AutoTokenizer.from_pretrained(str(target.parent / "tokenizer_kinds" / kind))
        pair = tokenizer(*PAIR)
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(TEXT)["input_ids"])
        rows.append(
            {
                "kind": kind,
                "model_input_names": list(tokenizer.model_input_names),
                "pair": {name: list(values) for name, values in pair.items()},
                "tokens": tokens,
                "string": tokenizer.convert_tokens_to_string(tokens),
            }
        )
    common.write_json(target, {"versions": common.versions(), "pair": PAIR, "rows": rows})


SECTIONS = {"token_types.json": write}
