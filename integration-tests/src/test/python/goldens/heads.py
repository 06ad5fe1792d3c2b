"""Every head over every architecture (T5's are in t5_heads): one folder per architecture, in it one model folder per head."""

import copy

import torch
import transformers
from peft import LoraConfig, get_peft_model

from . import common

LABELS = 3
BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
DISTILBERT = {
    "dim": 16,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 24,
    "max_position_embeddings": 20,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "qa_dropout": 0.0,
    "seq_classif_dropout": 0.0,
}

LLAMA = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "bos_token_id": 2,
    "eos_token_id": 2,
}
GPT2 = {
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_inner": 24,
    "n_positions": 20,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
    "bos_token_id": 2,
    "eos_token_id": 2,
}

# the decoders that came later are smaller
SMALL = {**LLAMA, "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 12}
WINDOW = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}
GEMMA = {"head_dim": 4, "sliding_window": 3, "query_pre_attn_scalar": 7, "tie_word_embeddings": True}
BLOOM = {"hidden_size": 8, "n_layer": 2, "n_head": 2, "bos_token_id": 2, "eos_token_id": 2}

SMALL_BERT = {**BERT, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 12}

DEBERTA = {**SMALL_BERT, "relative_attention": True}
DEBERTA_V2 = {
    **DEBERTA,
    "pos_att_type": "c2p|p2c",
    "max_relative_positions": 4,
    "embedding_size": 6,
    "conv_kernel_size": 3,
    "conv_groups": 2,
    "conv_act": "gelu",
    "pooler_hidden_act": "tanh",
    "cls_dropout": 0.0,
}
DEBERTA_V3 = {
    **DEBERTA,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 4,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "legacy": False,
    "tie_word_embeddings": False,  # transformers 5.17 cannot read this head if the config ties it
}
DEBERTA_P2C = {**DEBERTA, "pos_att_type": ["p2c"], "position_buckets": 6, "max_relative_positions": 7}

GPTJ = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_inner": 12, "rotary_dim": 2, "bos_token_id": 2, "eos_token_id": 2}

ENCODER_HEADS = ["base", "masked_lm", "sequence", "regression", "token", "span"]
DECODER_HEADS = ["base", "sequence", "regression", "token", "span"]

# stem of the class names, config, padding token, whether there are token types, heads, layers whose gradients are kept
ARCHITECTURES = {
    "bert": ("Bert", BERT, 0, True, ENCODER_HEADS, ["word_embeddings", "token_type", "layer.1.attention.self.query"]),
    "roberta": ("Roberta", BERT, 1, True, ENCODER_HEADS, ["word_embeddings", "position_emb", "layer.0.output.dense"]),
    "distilbert": ("DistilBert", DISTILBERT, 0, False, ENCODER_HEADS, ["word_embeddings", "layer.0.attention.v_lin"]),
    "llama": ("Llama", LLAMA, 1, False, DECODER_HEADS, ["embed_tokens", "1.self_attn.k_proj"]),
    "gpt2": ("GPT2", GPT2, 1, False, DECODER_HEADS, ["wpe", "h.1.attn.c_attn"]),
    "opt": ("OPT", None, 1, False, ["base", "sequence", "regression", "span"], ["embed_tokens", "layers.1.fc1"]),
    "xlm_roberta": ("XLMRoberta", SMALL_BERT, 1, True, ENCODER_HEADS, ["word_embeddings", "layer.0.output.dense"]),
    "camembert": ("Camembert", SMALL_BERT, 1, True, ENCODER_HEADS, ["word_embeddings", "layer.1.output.dense"]),
    "gemma": ("Gemma", {**SMALL, "head_dim": 4}, 1, False, ["base", "sequence", "regression", "token"], ["0.mlp.up_proj", "norm"]),
    "gpt_neox": ("GPTNeoX", {**SMALL, "rotary_pct": 0.5}, 1, False, DECODER_HEADS, ["embed_in", "1.attention.query_key_value"]),
    "gptj": ("GPTJ", GPTJ, 1, False, ["base", "sequence", "regression", "span"], ["wte", "1.attn.k_proj"]),
    "phi": ("Phi", SMALL, 1, False, ["base", "sequence", "regression", "token"], ["embed_tokens", "1.mlp.fc1"]),
    "starcoder2": ("Starcoder2", SMALL, 1, False, ["base", "sequence", "regression", "token"], ["embed_tokens", "1.mlp.c_fc"]),
    "mistral": ("Mistral", {**SMALL, "sliding_window": 3}, 1, False, DECODER_HEADS, ["embed_tokens", "1.self_attn.k_proj"]),
    "qwen2": ("Qwen2", {**SMALL, **WINDOW}, 1, False, DECODER_HEADS, ["embed_tokens", "0.self_attn.q_proj"]),
    "qwen3": ("Qwen3", {**SMALL, **WINDOW, "head_dim": 4}, 1, False, DECODER_HEADS, ["1.self_attn.q_norm", "0.mlp.up"]),
    "phi3": ("Phi3", SMALL, 1, False, ["base", "sequence", "regression", "token"], ["embed_tokens", "1.self_attn.qkv"]),
    "gemma2": ("Gemma2", GEMMA | SMALL, 1, False, ["base", "sequence", "regression", "token"], ["0.mlp.up_proj", "norm"]),
    "gemma3": ("Gemma3Text", GEMMA | SMALL, 1, False, ["base", "sequence", "regression"], ["1.self_attn.v_proj", "norm"]),
    "bloom": ("Bloom", BLOOM, 1, False, DECODER_HEADS, ["1.self_attention.query_key_value", "embeddings"]),
    "electra": ("Electra", {**SMALL_BERT, "embedding_size": 6}, 0, True, ENCODER_HEADS, ["embeddings", "layer.1.attention.self"]),
    "deberta_v2": ("DebertaV2", DEBERTA_V2, 0, True, ENCODER_HEADS, ["word_embeddings", "encoder.", "embed_proj"]),
    "deberta_v3": ("DebertaV2", DEBERTA_V3, 0, False, ENCODER_HEADS, ["word_embeddings", "encoder."]),
    "deberta_p2c": ("DebertaV2", DEBERTA_P2C, 0, True, ["base", "sequence"], ["1.attention.self", "rel_embeddings"]),
    "deberta_plain": ("DebertaV2", SMALL_BERT, 0, True, ["base", "sequence"], ["1.attention.self", "embeddings"]),
}

CLASSES = {
    "base": "Model",
    "masked_lm": "ForMaskedLM",
    "sequence": "ForSequenceClassification",
    "regression": "ForSequenceClassification",
    "token": "ForTokenClassification",
    "span": "ForQuestionAnswering",
}
HEAD_LAYERS = ["classifier", "score", "qa_outputs", "cls.", "lm_head", "vocab_", "pooler", "generator"]
# DeBERTa leaves out every label below 0, and is 0 where none is left
DEBERTA_LOSSES = {"sequence_negative": ("sequence", None, torch.tensor([1, -5]))}


def config(architecture, head):
    stem, values, pad, _, _, _ = ARCHITECTURES[architecture]
    labels = {"sequence": LABELS, "token": LABELS, "regression": 1}.get(head, 2)
    if values is None:
        return common.opt_config(num_labels=labels)
    extra = {"classifier_dropout": 0.0} if head == "token" and "masked_lm" not in ARCHITECTURES[architecture][4] else {}
    return getattr(transformers, stem + "Config")(
        vocab_size=40, pad_token_id=pad, num_labels=labels, attn_implementation="eager", **values, **extra
    )


def batches(pad, token_types):
    """A batch padded on the right, and the same texts padded on the left."""
    right = {
        "input_ids": torch.tensor([[5, 6, 17, 8, 29, 31, 9], [5, 9, 33, 4, 11, pad, pad]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]]),
        "token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 0, 0]]),
    }
    left = {
        "input_ids": torch.tensor([[5, 6, 17, 8, 29, 31, 9], [pad, pad, 5, 9, 33, 4, 11]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1]]),
        "token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1]]),
    }
    if not token_types:
        right.pop("token_type_ids")
        left.pop("token_type_ids")
    return right, left


# what is learned, by the name of the loss: the head, the problem type, the labels
LOSSES = {
    "masked_lm": ("masked_lm", None, torch.tensor([[-100, 6, -100, -100, 30, -100, 9], [-100, -100, 33] + [-100] * 4])),
    "sequence": ("sequence", None, torch.tensor([2, 0])),
    "sequence_ignored": ("sequence", "single_label_classification", torch.tensor([1, -100])),
    "multi_label": ("sequence", None, torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.3, 1.0]])),
    "several_numbers": ("sequence", "regression", torch.tensor([[0.5, -1.0, 2.0], [0.1, 0.3, -0.7]])),
    "regression": ("regression", None, torch.tensor([0.7, -1.2])),
    "token": ("token", None, torch.tensor([[0, 2, -100, 1, 1, 0, 2], [-100, 1, 0, 2, -100, -100, -100]])),
    "span": ("span", None, (torch.tensor([2, 1]), torch.tensor([4, 9]))),
}


def targets(labels):
    if isinstance(labels, tuple):
        return {"start_positions": labels[0], "end_positions": labels[1]}
    return {"labels": labels}


def write(architecture):
    def run(folder):
        stem, _, pad, token_types, heads, traced = ARCHITECTURES[architecture]
        right, left = batches(pad, token_types)
        if architecture == "gpt2":  # given, since Python would count from the row's start, and Java from the mask
            right["position_ids"] = torch.arange(7).expand(2, 7)
            left["position_ids"] = (left["attention_mask"].cumsum(1) - 1).clamp(min=0)
        tensors = {f"in.{name}": value for name, value in right.items()}
        tensors |= {f"left.{name}": value for name, value in left.items()}
        models = {}
        for seed, head in enumerate(heads):
            made = getattr(transformers, stem + CLASSES[head])(config(architecture, head))
            model = common.loud(made, seed=30 + seed)
            model.set_attn_implementation("eager")
            model.save_pretrained(folder / head)
            models[head] = model
            measure(head, model, right, left, tensors)
        losses = LOSSES | (DEBERTA_LOSSES if stem == "DebertaV2" else {})
        for name, (head, problem, labels) in losses.items():
            if head in models:
                learn(name, models[head], problem, right | targets(labels), traced + HEAD_LAYERS, tensors)
        common.write_tensors(folder / "io.safetensors", tensors)
        common.write_json(
            folder / "case.json",
            {
                "case": folder.name,
                "note": "<head>/ are model folders; in.* and left.* the batches; <head>.* the outputs; <loss>.labels, "
                ".loss and .grad.* what is learned (masked_lm, sequence, multi_label, ...)",
                "versions": common.versions(),
                "tolerances": common.TOLERANCES,
                "heads": {head: type(model).__name__ for head, model in models.items()},
                "losses": {name: {"head": h, "problemType": p} for name, (h, p, _) in losses.items() if h in models},
            },
        )

    return run


def measure(head, model, right, left, tensors):
    """Outputs with hidden states and attention weights."""
    with torch.no_grad():
        for side, batch in (("", right), ("left_", left)):
            output = model(**batch, output_hidden_states=True, output_attentions=True)
            for name in ("logits", "start_logits", "end_logits", "last_hidden_state", "pooler_output"):
                value = output.get(name)
                if value is not None:
                    tensors[f"{head}.{side}{name}"] = value
            if head in ("base", "span"):
                tensors[f"{head}.{side}hidden_states"] = torch.stack(output.hidden_states)
                tensors[f"{head}.{side}attentions"] = torch.stack(output.attentions)
        if head == "base":
            embeds = model.get_input_embeddings()(right["input_ids"])
            rest = {name: value for name, value in right.items() if name != "input_ids"}
            tensors["base.from_embeds"] = model(inputs_embeds=embeds, **rest).last_hidden_state
            tensors["base.unpadded"] = model(right["input_ids"]).last_hidden_state


def learn(name, model, problem, batch, layers, tensors):
    """Loss and some gradients of one step."""
    model = copy.deepcopy(model)
    model.config.problem_type = problem
    loss, grads = common.gradients_of(model, batch)
    tied = "lm_head.decoder.weight"  # XLM-RoBERTa makes its head first: there the shared weight has the head's name
    if tied in grads:
        grads["roberta.embeddings.word_embeddings.weight"] = grads.pop(tied)
        grads["lm_head.bias"] = grads.pop("lm_head.decoder.bias", grads.get("lm_head.bias"))
    for key, value in batch.items():
        if key in ("labels", "start_positions", "end_positions"):
            tensors[f"{name}.{key}"] = value
    tensors[f"{name}.loss"] = loss
    for parameter, value in grads.items():
        if any(layer in parameter for layer in layers):
            tensors[f"{name}.grad.{parameter}"] = value


def write_lora(folder):
    """LoRA on a BERT text classifier, whose head is trained in full."""
    right, _ = batches(0, True)
    base = common.loud(transformers.BertForSequenceClassification(config("bert", "sequence")), seed=50)
    base.save_pretrained(folder / "base")
    settings = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=10, lora_dropout=0.0, target_modules=["query", "value"])
    model = get_peft_model(base, settings).eval()
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    batch = right | {"labels": torch.tensor([2, 0])}
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors["adapter.logits"] = common.logits_of(model, batch)
    with model.disable_adapter():
        tensors["base.logits"] = common.logits_of(model, batch)
    tensors["adapter.loss"], grads = common.gradients_of(model, batch)
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    common.write_tensors(folder / "io.safetensors", tensors)
    trainable, total = model.get_nb_trainable_parameters()
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "versions": common.versions(),
            "tolerances": common.TOLERANCES,
            "peftClass": type(model).__name__,
            "trainableParameters": trainable,
            "allParameters": total,
        },
    )


SECTIONS = {f"heads_{name}": write(name) for name in ARCHITECTURES} | {"bert_lora": write_lora}
