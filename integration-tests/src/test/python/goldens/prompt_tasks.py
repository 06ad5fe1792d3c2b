"""Virtual tokens on T5 and on models with heads: one folder per case, as for language models."""

import copy

import torch
import transformers
from peft import (
    MultitaskPromptTuningConfig,
    PeftModel,
    PolyConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    get_peft_model,
)
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, T5Config

from . import bart, common, heads, t5

TOKENS = 3
PREFIX = PrefixTuningConfig
T5_SHAPE = {**t5.SHAPE, "d_kv": 4, "num_heads": 4, "d_model": 16, "num_layers": 3}
NEW_TOKENS = 6


def tiny_t5(**changes):
    """Three layers: the rows of a prefix are dealt out in an order of their own."""
    values = {**T5_SHAPE, "num_decoder_layers": 3, **changes}
    model = common.loud(AutoModelForSeq2SeqLM.from_config(T5Config(**values)), seed=12)
    generator = torch.Generator().manual_seed(8)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(model.lm_head.weight.shape, generator=generator) * 0.3)
    return model.eval()


def untied_t5(**changes):
    return tiny_t5(tie_word_embeddings=False, **changes)


def tiny_bart():
    values = bart.SHAPE | {"decoder_attention_heads": 4, "encoder_layers": 3, "decoder_layers": 3}
    return common.loud(AutoModelForSeq2SeqLM.from_config(transformers.BartConfig(**values)), seed=15).eval()


def headed(architecture, head):
    def make():
        stem = heads.ARCHITECTURES[architecture][0]
        kind = getattr(transformers, stem + heads.CLASSES[head])
        model = common.loud(kind(heads.config(architecture, head)), seed=41)
        model.set_attn_implementation("eager")
        return model

    return make


# model, config class, its values, task, what is learned (a name in heads.LOSSES), note
CASES = {
    "prompt_t5": (untied_t5, PromptTuningConfig, {}, "SEQ_2_SEQ_LM", None, "prompt tuning in front of T5's encoder"),
    "ptuning_t5": (untied_t5, PromptEncoderConfig, {}, "SEQ_2_SEQ_LM", None, "P-tuning in front of T5's encoder"),
    "prefix_t5": (untied_t5, PREFIX, {}, "SEQ_2_SEQ_LM", None, "prefix tuning in T5's decoder of three layers"),
    "prefix_t5_short": (
        lambda: untied_t5(num_decoder_layers=2),
        PREFIX,
        {"prefix_projection": True, "encoder_hidden_size": 10},
        "SEQ_2_SEQ_LM",
        None,
        "a projected prefix of three layers over a decoder of two",
    ),
    "prompt_bart": (tiny_bart, PromptTuningConfig, {}, "SEQ_2_SEQ_LM", None, "prompt tuning in front of BART's encoder"),
    "prefix_bart": (tiny_bart, PREFIX, {}, "SEQ_2_SEQ_LM", None, "prefix tuning in BART's decoder"),
    "multitask_t5": (
        untied_t5,
        MultitaskPromptTuningConfig,
        {"num_tasks": 3, "num_ranks": 2},
        "SEQ_2_SEQ_LM",
        None,
        "multitask prompt tuning on T5, in front of source and target",
    ),
    "poly_t5": (
        untied_t5,
        PolyConfig,
        {"r": 2, "n_tasks": 3, "n_skills": 2, "n_splits": 2},
        "SEQ_2_SEQ_LM",
        None,
        "Poly, which has no virtual tokens, on T5; PEFT's beams fail",
    ),
    "prompt_bert_sequence": (headed("bert", "sequence"), PromptTuningConfig, {}, "SEQ_CLS", "sequence", "BERT, texts"),
    "prompt_llama_sequence": (headed("llama", "sequence"), PromptTuningConfig, {}, "SEQ_CLS", "sequence", "Llama, texts"),
    "ptuning_roberta_span": (headed("roberta", "span"), PromptEncoderConfig, {}, "QUESTION_ANS", "span", "RoBERTa, answers"),
    "prompt_roberta_token": (headed("roberta", "token"), PromptTuningConfig, {}, "TOKEN_CLS", "token", "RoBERTa, tokens"),
    "prompt_distilbert_sequence": (
        headed("distilbert", "sequence"),
        PromptTuningConfig,
        # Python takes pre_classifier too, since its name ends so
        {"token_dim": 16, "num_layers": 2, "num_attention_heads": 4, "modules_to_save": ["pre_classifier"]},
        "SEQ_CLS",
        "sequence",
        "DistilBERT, texts",
    ),
    "prefix_bert_sequence": (headed("bert", "sequence"), PREFIX, {}, "SEQ_CLS", "sequence", "prefix, BERT, texts"),
    "prefix_bert_span": (headed("bert", "span"), PREFIX, {}, "QUESTION_ANS", "span", "prefix, BERT, answers"),
    "prefix_roberta_sequence": (headed("roberta", "sequence"), PREFIX, {}, "SEQ_CLS", "sequence", "prefix, RoBERTa, texts"),
    "prefix_roberta_token": (headed("roberta", "token"), PREFIX, {}, "TOKEN_CLS", "token", "prefix, RoBERTa, tokens"),
    "prefix_llama_sequence": (headed("llama", "sequence"), PREFIX, {}, "SEQ_CLS", "sequence", "prefix, Llama, texts"),
    "prefix_gpt2_token": (headed("gpt2", "token"), PREFIX, {}, "TOKEN_CLS", "token", "prefix, GPT-2, tokens"),
}


class Measured(torch.nn.Module):
    """The model with one name for its outputs, and labels in front of virtual tokens, which Python forgets."""

    def __init__(self, model, shift):
        super().__init__()
        self.model, self.shift = model, shift

    def forward(self, **batch):
        labels = batch.get("labels")
        if self.shift and labels is not None:
            batch["labels"] = None
        output = self.model(**batch)
        if "start_logits" in output:
            output.logits = torch.stack((output.start_logits, output.end_logits), -1)
        if self.shift and labels is not None:
            logits = output.logits[:, -labels.shape[1] :]
            output.loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return output

    def named_parameters(self, *args, **kwargs):
        return self.model.named_parameters(*args, **kwargs)


def batch_of(base, task, learned):
    """What is trained on."""
    if task == "SEQ_2_SEQ_LM":
        return t5.batches()[0]
    pad = base.config.pad_token_id
    batch = heads.batches(pad, base.config.model_type in ("bert", "roberta"))[0]
    if base.config.model_type == "gpt2":
        batch["position_ids"] = torch.arange(7).expand(2, 7)
    if task == "QUESTION_ANS":
        batch.pop("token_type_ids")  # which Python's class for answers takes and forgets
    return batch | (heads.targets(heads.LOSSES[learned][2]) if learned else {})


def generated(model, batch):
    source = {name: batch[name] for name in ("input_ids", "attention_mask", "task_ids") if name in batch}
    settings = dict(
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        pad_token_id=t5.PAD,
        decoder_start_token_id=t5.START,
        eos_token_id=None,
    )
    output = model.generate(
        **source,
        generation_config=GenerationConfig(num_beams=1, **settings),
        return_dict_in_generate=True,
        output_logits=True,
    )
    logits = torch.stack(output.logits)
    top = logits.topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1]).min() > 1e-3, "greedy choice too close to a tie"
    if model.active_peft_config.peft_type == "POLY":
        return {"gen.ids": output.sequences, "gen.logits": logits}
    beams = model.generate(**source, generation_config=GenerationConfig(num_beams=3, **settings))
    return {"gen.ids": output.sequences, "gen.logits": logits, "gen.beam_ids": beams}


def write_case(folder, make, kind, values, task, learned, note):
    base = make()
    base.save_pretrained(folder / "base")
    batch = batch_of(base, task, learned)
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["base.logits"] = common.logits_of(Measured(base, False), batch)
    if kind in (MultitaskPromptTuningConfig, PolyConfig):
        batch["task_ids"] = tensors["in.task_ids"] = torch.tensor([2, 0])
    torch.manual_seed(1)
    config = kind(task_type=task, **({} if kind is PolyConfig else {"num_virtual_tokens": TOKENS}), **values)
    model = get_peft_model(base, config).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    measured = Measured(model, task == "TOKEN_CLS" and kind is not PREFIX)
    tensors |= {f"param.{n}": p for n, p in model.named_parameters() if p.requires_grad}
    tensors["adapter.logits"] = common.logits_of(measured, batch)
    tensors["adapter.loss"], grads = common.gradients_of(measured, batch)
    quiet = [name for name, gradient in grads.items() if gradient.abs().max() == 0]
    assert not quiet or not any("prompt_encoder" in name for name in quiet), quiet
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    if task == "SEQ_2_SEQ_LM":
        tensors |= generated(model, batch)
    gaps, unstable = common.float64_gaps(measured, batch)
    trainable, total = model.get_nb_trainable_parameters()
    trained = copy.deepcopy(measured)
    tensors["train.losses"], after = common.train_steps(trained, batch)
    tensors |= {f"train.after.{name}": value for name, value in after.items()}

    loaded = Measured(PeftModel.from_pretrained(make(), str(folder / "adapter")).eval(), measured.shift)
    difference = (common.logits_of(loaded, batch) - tensors["adapter.logits"]).abs().max()
    assert difference < 1e-5, f"the saved adapter computes something else: {difference}"
    assert gaps["logits"] < common.TOLERANCES["forward"] / 3, gaps
    assert gaps["gradient"] < common.TOLERANCES["gradient"] / 4, gaps
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": note,
            "versions": common.versions(),
            "seeds": {"adapter": "crc32(parameter name) + 3"},
            "tolerances": common.TOLERANCES,
            "float64Gaps": gaps,
            "unstableAfterSteps": unstable,
            "optimizer": common.OPTIMIZER,
            "peftClass": type(model).__name__,
            "trainableParameters": trainable,
            "allParameters": total,
            "config": {name: sorted(v) if isinstance(v, set) else v for name, v in config.to_dict().items()},
        },
    )


def section(name):
    return lambda folder: write_case(folder, *CASES[name])


SECTIONS = {name: section(name) for name in CASES}
