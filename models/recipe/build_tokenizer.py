"""Trains the byte-level BPE tokenizer of the demonstration model with the ``tokenizers`` library.

Run build_corpus.py first. The conventions are those of facebook/opt: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2
(beginning, end and unknown), ``<unk>`` 3, and a ``</s>`` before every text.
"""

import gzip
import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "peft-java/src/main/resources/org/peftjava/demo"
VOCABULARY = 2048
MODEL_MAX_LENGTH = 256
# A share of the stories is enough (they repeat themselves); the proverbs count twice, being few.
STORIES_KEPT, PROVERBS_WEIGHT = 4000, 2


def texts():
    stories = 0
    for line in gzip.open(HERE / "corpus.jsonl.gz", "rt", encoding="ascii"):
        text = json.loads(line)["text"]
        prose = "\n" in text or len(text) > 1000
        stories += not prose
        if prose or stories <= STORIES_KEPT:
            yield text
    for line in open(DEMO / "train.jsonl", encoding="ascii"):
        yield from [json.loads(line)["text"]] * PROVERBS_WEIGHT


def write(name, value):
    (DEMO / "base" / name).write_text(json.dumps(value, indent=2) + "\n", encoding="ascii")


def main():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts(),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", 2)]
    )
    (DEMO / "base").mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(DEMO / "base" / "tokenizer.json"))
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    write("special_tokens_map.json", special)
    write(
        "tokenizer_config.json",
        special
        | {
            "add_bos_token": True,
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "errors": "replace",
            "model_max_length": MODEL_MAX_LENGTH,
            "padding_side": "right",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )


if __name__ == "__main__":
    main()
