"""What generate() does to the logits before it samples, with transformers' own processors in its own order."""

import torch
from transformers import GenerationConfig

from . import common

SETTINGS = [
    {"temperature": 0.7},
    {"temperature": 1.9},
    {"top_k": 5},
    {"top_k": 1},
    {"top_k": 1000},
    {"top_p": 0.9},
    {"top_p": 0.5},
    {"top_p": 0.01},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"temperature": 0.7, "top_k": 8},
    {"temperature": 0.7, "top_p": 0.8},
    {"top_k": 6, "top_p": 0.7},
    {"temperature": 1.5, "top_k": 10, "top_p": 0.95, "repetition_penalty": 1.2},
    {"temperature": 0.3, "top_k": 4, "top_p": 0.6, "repetition_penalty": 2.0},
    {"min_p": 0.1},
    {"temperature": 2.0, "min_p": 0.3},
    {"typical_p": 0.6},
    {"no_repeat_ngram_size": 2},
]


def logits():
    """Two rows; the first has exact ties at its top, which top-k keeps together and top-p does not."""
    generator = torch.Generator().manual_seed(41)
    values = torch.randn((2, 24), generator=generator) * 2
    values[0, 3] = values[0, 9] = values[0, 17] = values[0].max()
    return values


def write(folder):
    model = common.tiny_opt(vocab_size=24)
    scores = logits()
    ids = torch.tensor([[2, 5, 3, 5, 9], [2, 7, 7, 21, 7]])
    tensors, rows = {"logits": scores, "input_ids": ids}, []
    for index, settings in enumerate(SETTINGS):
        config = GenerationConfig(do_sample=True, **{"top_k": 0, **settings})
        processors = model._get_logits_processor(
            generation_config=config, input_ids_seq_length=ids.shape[1], device="cpu", logits_processor=None
        )
        result = processors(ids, scores.clone())
        tensors[f"row{index}.scores"] = result
        tensors[f"row{index}.probabilities"] = torch.softmax(result, dim=-1)
        rows.append({"row": index, "settings": settings, "order": [type(p).__name__ for p in processors],
                     "kept": [int(n) for n in torch.isfinite(result).sum(1)]})
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "versions": common.versions(),
            "note": "row<i>.scores: processed scores (-inf = removed), row<i>.probabilities: their softmax. A setting "
            "that is absent is off (top_k is passed as 0). input_ids: the tokens so far, for the repetition penalty.",
            "tolerances": {"scores": 1e-5},
            "rows": rows,
        },
    )


SECTIONS = {"sampling": write}
