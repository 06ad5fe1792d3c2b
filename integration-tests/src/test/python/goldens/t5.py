"""T5 v1.0, T5 v1.1 (untied) and mT5, tiny and random: one folder per case with model/, adapter/, io.safetensors, case.json."""

import copy

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, MT5Config, T5Config, T5EncoderModel

from . import common

PAD, EOS, START = 0, 1, 0
NEW_TOKENS = 7
LONG = 75

SHAPE = {
    "vocab_size": 40,
    "d_model": 16,
    "d_kv": 6,
    "d_ff": 20,
    "num_layers": 2,
    "num_heads": 3,
    "dropout_rate": 0.1,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": START,
}

CASES = {
    "t5_v10": (T5Config, {}, "T5 v1.0: plain relu, tied head, scaled decoder output"),
    "t5_v11": (
        T5Config,
        {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_layers": 3, "num_decoder_layers": 2},
        "T5 v1.1: gated gelu_new, a head of its own, two decoder layers over three encoder layers",
    ),
    "t5_mt5": (
        MT5Config,
        {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 64},
        "mT5: gated gelu_new, tied head without scaling, usual number of buckets",
    ),
}

# Large scores that nothing scales: Python's own float32 logits are up to 0.8e-5 from its float64 ones.
TOLERANCES = {"t5_v11": {"forward": 3e-5}}

GRADIENTS = (
    "shared.weight",
    "lm_head.weight",
    "relative_attention_bias.weight",
    "encoder.block.1.layer.0.SelfAttention.v.weight",
    "encoder.block.0.layer.1.layer_norm.weight",
    "encoder.final_layer_norm.weight",
    "decoder.block.0.layer.1.EncDecAttention.q.weight",
    "decoder.block.1.layer.1.EncDecAttention.k.weight",
    "decoder.block.1.layer.0.SelfAttention.o.weight",
    "wi.weight",
    "wi_1.weight",
    "decoder.block.0.layer.2.DenseReluDense.wo.weight",
)


def batches():
    """Sources padded on the right, targets of other lengths; and the same sources padded on the left."""
    ids = torch.tensor([[5, 6, 17, 8, 29, 31, EOS], [9, 33, 4, EOS, PAD, PAD, PAD]])
    mask = (ids != PAD).long()
    labels = torch.tensor([[12, 7, 3, 25, EOS], [38, 2, EOS, -100, -100]])
    decoder = torch.tensor([[START, 21, 30, 3, 14, 9], [START, 11, 36, 8, PAD, PAD]])
    seen = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    left = torch.tensor([[5, 6, 17, 8, 29, 31, EOS], [PAD, PAD, PAD, 9, 33, 4, EOS]])
    train = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    plain = {
        "input_ids": ids,
        "attention_mask": mask,
        "decoder_input_ids": decoder,
        "decoder_attention_mask": seen,
    }
    return train, plain, {"input_ids": left, "attention_mask": (left != PAD).long()}


def tiny(folder, kind, changes):
    """The model, saved and read again: what the file says about the head counts."""
    config = kind(**{**SHAPE, **changes})
    model = common.loud(AutoModelForSeq2SeqLM.from_config(config))
    for name, parameter in model.named_parameters():
        if "relative_attention_bias" in name:
            parameter.data *= 4  # the usual distance biases are of this size: a wrong bucket must be heard
    if changes.get("tie_word_embeddings") is False:
        generator = torch.Generator().manual_seed(8)
        values = torch.randn(model.lm_head.weight.shape, generator=generator) * 0.3
        model.lm_head.weight = torch.nn.Parameter(values)
    model.save_pretrained(folder / "model")
    return AutoModelForSeq2SeqLM.from_pretrained(str(folder / "model")).eval()


def write_case(folder, kind, changes, note):
    model = tiny(folder, kind, changes)
    tied = changes.get("tie_word_embeddings") is not False
    assert (model.lm_head.weight is model.shared.weight) == tied
    train, plain, left = batches()
    tensors = {f"in.{n}": v for n, v in train.items()} | {f"plain.{n}": v for n, v in plain.items()}
    tensors |= {f"left.{n}": v for n, v in left.items()}

    with torch.no_grad():
        output = model(**plain)
        tensors["plain.logits"] = output.logits
        tensors["plain.encoder_last_hidden_state"] = output.encoder_last_hidden_state
        tensors["labels.logits"] = model(**train).logits
        encoder = T5EncoderModel.from_pretrained(str(folder / "model")).eval() if kind is T5Config else None
        if encoder is not None:
            features = encoder(input_ids=left["input_ids"], attention_mask=left["attention_mask"])
            tensors["left.encoder_last_hidden_state"] = features.last_hidden_state
    tensors["labels.loss"], grads = common.gradients_of(model, train)
    tensors |= {f"grad.{n}": v for n, v in grads.items() if n.endswith(GRADIENTS)}
    tensors |= long_input(model)
    if folder.name == "t5_v10":
        tensors |= traces(folder, plain)
        tensors |= older_names(model)
    tensors |= halves(folder, model, plain)
    tensors |= generation(model, train, "gen")
    tensors |= beams(model, train)
    facts = adapter(folder, model, train, tensors)

    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": note,
            "versions": common.versions(),
            "seeds": {"model": 7, "head": 8, "adapter": "crc32(parameter name) + 3"},
            "tolerances": {**common.TOLERANCES, "bfloat16": 0.1, "float16": 0.01, **TOLERANCES.get(folder.name, {})},
            **facts,
        },
    )


def long_input(model):
    """Sequences beyond the largest distance; only the last positions are kept."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(2, SHAPE["vocab_size"], (1, LONG), generator=generator)
    decoder = torch.randint(2, SHAPE["vocab_size"], (1, LONG), generator=generator)
    with torch.no_grad():
        output = model(input_ids=ids, decoder_input_ids=decoder)
    return {
        "long.input_ids": ids,
        "long.decoder_input_ids": decoder,
        "long.last_logits": output.logits[:, -6:],
        "long.encoder_last_hidden_state": output.encoder_last_hidden_state,
    }


def traces(folder, plain):
    """Hidden states and attention weights of every layer, from the eager attention."""
    eager = AutoModelForSeq2SeqLM.from_pretrained(str(folder / "model"), attn_implementation="eager").eval()
    with torch.no_grad():
        output = eager(**plain, output_hidden_states=True, output_attentions=True)
    tensors = {}
    for name in (
        "encoder_hidden_states",
        "encoder_attentions",
        "decoder_hidden_states",
        "decoder_attentions",
        "cross_attentions",
    ):
        values = getattr(output, name)
        tensors |= {f"trace.{name}.{i}": value for i, value in enumerate(values)}
    return tensors


def older_names(model):
    """Names that files of transformers 3 and 4 hold besides those of the model."""
    return {
        "older.decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": torch.ones(8, 3),
        "older.encoder.embed_tokens.weight": model.shared.weight,
        "older.decoder.embed_tokens.weight": model.shared.weight,
        "older.lm_head.weight": model.lm_head.weight,
    }


def halves(folder, model, plain):
    """bfloat16 throughout; float16 with `wo` in float32, as from_pretrained loads it.

    Queries are an eighth of what the file holds (exact in any type): else rounding decides whom attention chooses.
    """
    wide = AutoModelForSeq2SeqLM.from_pretrained(str(folder / "model"), dtype=torch.bfloat16).eval()
    half = AutoModelForSeq2SeqLM.from_pretrained(str(folder / "model"), dtype=torch.float16).eval()
    assert half.encoder.block[0].layer[1].DenseReluDense.wo.weight.dtype == torch.float32
    assert half.encoder.block[0].layer[0].SelfAttention.o.weight.dtype == torch.float16
    for narrow in (wide, half):
        for name, parameter in narrow.named_parameters():
            if name.endswith("Attention.q.weight"):
                parameter.data *= 0.125
    tensors = {"bfloat16.logits": common.logits_of(wide, plain), "float16.logits": common.logits_of(half, plain)}
    half.encoder.block[0].layer[0].SelfAttention.o.weight.data *= 2**15  # its products leave the range and are clamped
    tensors["float16.clamped_logits"] = common.logits_of(half, plain)
    assert tensors["float16.clamped_logits"].isfinite().all()
    return tensors


def generation(model, batch, prefix):
    """Greedy ids with the cache, the logits of every new token, and the ids where a token ends the rows."""
    source = {name: batch[name] for name in ("input_ids", "attention_mask")}
    settings = dict(
        max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1, pad_token_id=PAD, decoder_start_token_id=START
    )
    output = model.generate(
        **source,
        generation_config=GenerationConfig(eos_token_id=EOS, **settings),
        return_dict_in_generate=True,
        output_logits=True,
    )
    plain = model.generate(**source, generation_config=GenerationConfig(eos_token_id=EOS, **settings), use_cache=False)
    assert torch.equal(output.sequences, plain), "cached and uncached generation differ"
    logits = torch.stack(output.logits)
    top = logits.topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1]).min() > 1e-3, "greedy choice too close to a tie"
    stop = int(output.sequences[0, 3])
    stopped = model.generate(**source, generation_config=GenerationConfig(eos_token_id=stop, **settings))
    return {
        f"{prefix}.ids": output.sequences,
        f"{prefix}.logits": logits,
        f"{prefix}.stop_token": torch.tensor(stop),
        f"{prefix}.stopped_ids": stopped,
    }


def beams(model, batch):
    """Beam search: three beams; and four that a token ends early, of which three are returned."""
    source = {name: batch[name] for name in ("input_ids", "attention_mask")}
    shared = dict(max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=PAD, decoder_start_token_id=START)

    def search(**settings):
        config = GenerationConfig(**shared, **settings)
        return model.generate(**source, generation_config=config, return_dict_in_generate=True, output_scores=True)

    three = search(num_beams=3, eos_token_id=EOS)
    for stop in sorted(set(three.sequences[:, 2:-1].flatten().tolist()) - {PAD}):
        several = search(num_beams=4, num_return_sequences=3, length_penalty=0.6, early_stopping=True, eos_token_id=stop)
        lengths = {row.tolist().index(stop) if stop in row else None for row in several.sequences}
        if len(lengths) > 1:
            break
    assert len(lengths) > 1, "no token ends beams at different steps"
    return {
        "beam.three.ids": three.sequences,
        "beam.three.scores": three.sequences_scores,
        "beam.several.ids": several.sequences,
        "beam.several.scores": several.sequences_scores,
        "beam.several.stop_token": torch.tensor(stop),
    }


def adapter(folder, base, train, tensors):
    """LoRA on the default targets q and v: forward, gradients, steps, generation, merged weights."""
    base.name_or_path = base.config.name_or_path = ""  # where the data was made is no part of it
    torch.manual_seed(1)
    config = LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, lora_alpha=10, lora_dropout=0.0)
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    tensors |= {f"param.{n}": p for n, p in model.named_parameters() if p.requires_grad}
    tensors["adapter.logits"] = common.logits_of(model, train)
    tensors["adapter.loss"], grads = common.gradients_of(model, train)
    tensors |= {f"adapter.grad.{n}": v for n, v in grads.items()}
    tensors |= generation(model, train, "adapter.gen")
    merged = copy.deepcopy(model).merge_and_unload()
    tensors["adapter.merged.logits"] = common.logits_of(merged, train)
    trained = copy.deepcopy(model)
    tensors["adapter.train.losses"], after = common.train_steps(trained, train)
    tensors |= {f"adapter.train.after.{n}": v for n, v in after.items()}
    assert (tensors["adapter.logits"] - tensors["labels.logits"]).abs().max() > 0.05, "the adapter must be audible"
    trainable, total = model.get_nb_trainable_parameters()
    return {
        "peftClass": type(model).__name__,
        "trainableParameters": trainable,
        "allParameters": total,
        "targetedModules": model.base_model.targeted_module_names,
    }


def section(name):
    kind, changes, note = CASES[name]
    return lambda folder: write_case(folder, kind, changes, note)


SECTIONS = {name: section(name) for name in CASES}
