"""BART, tiny and random: `bart` in the form of t5.py's cases, `bart_forced`, and `bart_heads`.

bart_forced: token vectors scaled, tables apart, other numbers of layers, first and last token forced: `forced.ids`, `forced.beams`.
"""

import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForQuestionAnswering,
    BartForSequenceClassification,
    BartModel,
)

from . import common, t5

SHAPE = {
    "vocab_size": 40,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 24,
    "pad_token_id": t5.PAD,
    "eos_token_id": t5.EOS,
    "bos_token_id": 2,
    "decoder_start_token_id": t5.START,
    "forced_eos_token_id": None,
}
FORCED = {
    "scale_embedding": True,
    "tie_word_embeddings": False,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "activation_function": "relu",
    "decoder_start_token_id": t5.EOS,
    "forced_eos_token_id": t5.EOS,
}
GRADIENTS = (
    "shared.weight",
    "lm_head.weight",
    "encoder.embed_positions.weight",
    "decoder.embed_positions.weight",
    "encoder.layernorm_embedding.weight",
    "encoder.layers.1.self_attn.v_proj.weight",
    "decoder.layers.0.encoder_attn.q_proj.weight",
    "decoder.layers.0.encoder_attn_layer_norm.bias",
    "decoder.layers.0.self_attn.out_proj.bias",
    "decoder.layers.0.fc2.weight",
    "encoder.layers.0.final_layer_norm.weight",
)


def tiny(folder, changes):
    """The model, saved and read again."""
    model = common.loud(AutoModelForSeq2SeqLM.from_config(BartConfig(**SHAPE | changes)))
    generator = torch.Generator().manual_seed(9)
    model.final_logits_bias += torch.randn(model.final_logits_bias.shape, generator=generator) * 0.3
    model.save_pretrained(folder / "model")
    return AutoModelForSeq2SeqLM.from_pretrained(str(folder / "model"), attn_implementation="eager").eval()


def measure(folder, changes):
    model = tiny(folder, changes)
    train, plain, _ = t5.batches()
    tensors = {f"in.{n}": v for n, v in train.items()} | {f"plain.{n}": v for n, v in plain.items()}
    with torch.no_grad():
        output = model(**plain, output_hidden_states=True, output_attentions=True)
        tensors["plain.logits"] = output.logits
        tensors["plain.encoder_last_hidden_state"] = output.encoder_last_hidden_state
        tensors["labels.logits"] = model(**train).logits
    for name in ("encoder_hidden_states", "encoder_attentions", "decoder_hidden_states", "decoder_attentions", "cross_attentions"):
        tensors |= {f"trace.{name}.{i}": value for i, value in enumerate(output[name])}
    tensors["labels.loss"], grads = common.gradients_of(model, train)
    tensors |= {f"grad.{n}": v for n, v in grads.items() if n.endswith(GRADIENTS)}
    return model, train, tensors


def finish(folder, tensors, note, facts):
    common.write_tensors(folder / "io.safetensors", tensors)
    header = {"case": folder.name, "note": note, "versions": common.versions(), "tolerances": common.TOLERANCES}
    common.write_json(folder / "case.json", {**header, **facts})


def write(folder):
    model, train, tensors = measure(folder, {})
    tensors |= t5.generation(model, train, "gen")
    tensors |= t5.beams(model, train)
    finish(folder, tensors, "the form of bart-base, tied", t5.adapter(folder, model, train, tensors))


def write_forced(folder):
    model, train, tensors = measure(folder, FORCED)
    source = {name: train[name] for name in ("input_ids", "attention_mask")}
    settings = {"max_new_tokens": t5.NEW_TOKENS, "do_sample": False, "forced_bos_token_id": 7}
    tensors["forced.ids"] = model.generate(**source, **settings)
    tensors["forced.beams"] = model.generate(**source, **settings, num_beams=3)
    assert (tensors["forced.ids"][:, 1] == 7).all()
    finish(folder, tensors, "scaled and untied, first and last token forced", {})


KINDS = {"base": BartModel, "sequence": BartForSequenceClassification, "span": BartForQuestionAnswering}
LABELS = {
    "sequence": {"labels": torch.tensor([2, 0])},
    "span": {"start_positions": torch.tensor([3, 1]), "end_positions": torch.tensor([4, 2])},
}


def write_heads(folder):
    ids = torch.tensor([[5, 6, 17, 8, 29, 31, t5.EOS], [9, 33, 4, t5.EOS, t5.PAD, t5.PAD, t5.PAD]])
    batch = {"input_ids": ids, "attention_mask": (ids != t5.PAD).long()}
    tensors = {"ids": ids}
    for name, kind in KINDS.items():
        model = common.loud(kind(BartConfig(**SHAPE)), seed=31).eval()
        model.save_pretrained(folder / name)
        with torch.no_grad():
            output = model(**batch)
        for key in ("logits", "start_logits", "end_logits", "last_hidden_state"):
            if output.get(key) is not None:
                tensors[f"{name}.{key}"] = output[key]
        if name in LABELS:
            tensors |= {f"{name}.{key}": value for key, value in LABELS[name].items()}
            tensors[f"{name}.loss"], grads = common.gradients_of(model, batch | LABELS[name])
            kept = ("classification_head", "qa_outputs", *GRADIENTS)
            tensors |= {f"{name}.grad.{n}": g for n, g in grads.items() if any(part in n for part in kept)}
    finish(folder, tensors, "BART's other models", {})


SECTIONS = {"bart": write, "bart_forced": write_forced, "bart_heads": write_heads}
