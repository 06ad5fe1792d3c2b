#!/usr/bin/env python
"""Writes the names of the fields of Python's config classes, which the Java builders follow.

    python field_names.py ../resources/field_names.json
"""

import dataclasses
import json
import sys
from pathlib import Path

from transformers import GenerationConfig, Seq2SeqTrainingArguments, T5Config


def main():
    names = {
        "Seq2SeqTrainingArguments": [field.name for field in dataclasses.fields(Seq2SeqTrainingArguments)],
        "GenerationConfig": list(GenerationConfig().to_dict()),
        "T5Config": list(T5Config().to_dict()),
    }
    text = json.dumps({kind: sorted(values) for kind, values in names.items()}, indent=2)
    Path(sys.argv[1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
