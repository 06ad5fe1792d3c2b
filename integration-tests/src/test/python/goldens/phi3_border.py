"""Phi-3 whose texts grow beyond `original_max_position_embeddings` while they are generated.

transformers drops the cache at that token but then feeds the newest token alone, so that the text before it is
forgotten. What is meant, and what version 4 did, is to compute the whole text by the long angles: the numbers without a
cache, which are recorded here.
"""

import torch
from transformers import GenerationConfig

from . import common, decoders, generation

NEW_TOKENS = 9

SETTINGS = {
    "greedy": {},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
}


def prompts():
    """Two texts of 5 and 3 tokens, padded on the left to 7: the longer one crosses the length of 8."""
    pad = common.PAD
    ids = torch.tensor([[pad, pad, 2, 9, 33, 4, 11], [pad, pad, pad, pad, 2, 5, 6]])
    return {"input_ids": ids, "attention_mask": (ids != pad).long()}


def write(folder):
    model = decoders.build("phi3")
    border = model.config.original_max_position_embeddings
    model.generation_config.eos_token_id = None
    batch = prompts()
    tensors = dict(batch)
    for name, settings in SETTINGS.items():
        config = GenerationConfig(
            max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=common.PAD, eos_token_id=None, use_cache=False, **settings
        )
        output = model.generate(
            **batch, generation_config=config, return_dict_in_generate=True, output_logits=True, output_scores=True
        )
        tensors[f"{name}.ids"] = output.sequences
        if name == "greedy":
            tensors["greedy.logits"] = torch.stack(output.logits)
            check(model, batch, output, border)
        else:
            tensors[f"{name}.scores"] = output.sequences_scores
    first = {"input_ids": torch.tensor([[2, 9, 33, 4, 11]]), "attention_mask": torch.ones(1, 5, dtype=torch.long)}
    settings = {"penalty_alpha": 0.6, "top_k": 3, "max_new_tokens": NEW_TOKENS, "eos_token_id": None}
    tensors["contrastive.ids"] = torch.tensor(generation.contrastive_search(model, settings, first))
    common.write_tensors(folder / "io.safetensors", tensors)


def check(model, batch, output, border):
    """Each step equals a plain pass, and with the short angles' cache the numbers would be others."""
    top = torch.stack(output.logits).topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1]).min() > 5e-4, "greedy choice too close to a tie"
    width = batch["input_ids"].shape[1]
    row = output.sequences[:1, 2:]  # without padding
    for step, logits in enumerate(output.logits):
        with torch.no_grad():
            plain = model(row[:, : width - 2 + step]).logits[:, -1]
        assert common._distance(logits[:1], plain) < common.TOLERANCES["forward"]
    with torch.no_grad():
        cache = model(row[:, :border], use_cache=True).past_key_values
        mixed = model(row[:, border : border + 1], past_key_values=cache).logits[:, -1]
        whole = model(row[:, : border + 1]).logits[:, -1]
    assert (mixed - whole).abs().max() > 0.02, "the border must be audible"


SECTIONS = {"phi3_border": write}
