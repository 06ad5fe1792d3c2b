"""Generation with guesses (a small model, or a look at the text before), and contrastive search of an encoder-decoder."""

import copy

import torch

from . import common, generation, t5

SETTINGS = [
    {},
    {"max_new_tokens": 14},
    {"eos_token_id": [24, 12]},
    {"min_new_tokens": 9, "eos_token_id": 3},
    {"repetition_penalty": 1.9, "max_new_tokens": 14},
    {"no_repeat_ngram_size": 2, "max_new_tokens": 14},
    {"bad_words_ids": [[12], [24, 29], [39, 24, 16]]},
    {"max_new_tokens": 1},
]

LOOKUPS = [(3, 2), (10, 1), (2, 3)]
ASSISTANTS = [
    {"num_assistant_tokens": 4, "assistant_confidence_threshold": 0.0},
    {"num_assistant_tokens": 3, "num_assistant_tokens_schedule": "heuristic_transient"},
    {},
]
CONTRASTIVE = [
    {"penalty_alpha": 0.6, "top_k": 4},
    {"penalty_alpha": 0.3, "top_k": 3, "repetition_penalty": 1.4},
    {"penalty_alpha": 0.9, "top_k": 2, "max_new_tokens": 15},
]


def disturbed(model, scale):
    """A model that often, but not always, chooses the same tokens."""
    other = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(5)
    for parameter in other.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator) * scale
    other.tie_weights()
    return other.eval()


def rows_of(kind, model, assistant, prompts, base):
    rows = []
    for settings in SETTINGS:
        values = {**base, **settings}
        for index, prompt in enumerate(prompts):
            plain = model.generate(**prompt, **values).tolist()
            for tokens, ngram in LOOKUPS:
                lookup = {"prompt_lookup_num_tokens": tokens, "max_matching_ngram_size": ngram}
                ids = model.generate(**prompt, **values, **lookup).tolist()
                rows.append({"kind": kind, "settings": {**values, **lookup}, "prompt": index, "ids": ids})
                assert ids == plain, (settings, lookup, ids, plain)
            for guesses in ASSISTANTS:
                helper = copy.deepcopy(assistant)
                for name, value in guesses.items():
                    setattr(helper.generation_config, name, value)
                ids = model.generate(**prompt, **values, assistant_model=helper).tolist()
                row = {"kind": kind, "settings": values, "assistant": guesses, "prompt": index, "ids": ids}
                assert ids == plain, (settings, guesses, ids, plain)
                rows.append(row)
    return rows


def contrastive_search(model, settings, prompt):
    """Ids as transformers 4 finds them, one prompt at a time, computing everything anew for each candidate."""
    config = copy.deepcopy(model.generation_config)
    config.update(**settings)
    config.max_length = 1 + config.max_new_tokens
    model._prepare_special_tokens(config, device="cpu")
    processors = model._get_logits_processor(
        generation_config=config, input_ids_seq_length=1, encoder_input_ids=prompt["input_ids"], device="cpu"
    )

    def decode(ids):
        with torch.no_grad():
            return model(**prompt, decoder_input_ids=torch.tensor([ids]), output_hidden_states=True)

    ids = [model.config.decoder_start_token_id]
    while len(ids) < config.max_length and ids[-1] != config.eos_token_id:
        known = decode(ids)
        scores = processors(torch.tensor([ids]), known.logits[:, -1].float())
        likely = torch.topk(torch.softmax(scores, -1)[0], config.top_k)
        earlier = torch.nn.functional.normalize(known.decoder_hidden_states[-1][0], dim=-1)
        values = []
        for p, token in zip(likely.values, likely.indices.tolist()):
            state = torch.nn.functional.normalize(decode([*ids, token]).decoder_hidden_states[-1][0, -1], dim=-1)
            values.append((1 - config.penalty_alpha) * p - config.penalty_alpha * (earlier @ state).max())
        ids.append(likely.indices[int(torch.stack(values).argmax())].item())
    return [ids]


def write(folder):
    batch = generation.prompts()
    prompts = []
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"]):
        prompts.append({"input_ids": ids[None], "attention_mask": mask[None]})
    # a text with repetitions, where looking back finds something
    again = torch.tensor([[2, 24, 12, 18, 24, 12]])
    prompts.append({"input_ids": again, "attention_mask": torch.ones_like(again)})
    model = generation.varied_opt()
    assistant = disturbed(model, 0.06)
    assistant.save_pretrained(folder / "opt_assistant")
    base = {"eos_token_id": generation.EOS, "pad_token_id": common.PAD, "max_new_tokens": 12}
    rows = rows_of("opt", model, assistant, prompts, base)

    from transformers import AutoModelForSeq2SeqLM

    source = folder.parent / "t5_v10" / "model"
    text = AutoModelForSeq2SeqLM.from_pretrained(source).eval()
    helper = disturbed(text, 0.03)
    helper.save_pretrained(folder / "t5_assistant")
    sources = []
    for ids in ([5, 6, 17, 8, 29, 31, t5.EOS], [9, 33, 4, t5.EOS]):
        ids = torch.tensor([ids])
        sources.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    base = {"max_new_tokens": 12, "eos_token_id": t5.EOS, "pad_token_id": t5.PAD}
    rows += rows_of("t5", text, helper, sources, base)
    for settings in CONTRASTIVE:
        for index, prompt in enumerate(sources):
            values = {**base, **settings}
            ids = contrastive_search(text, values, prompt)
            rows.append({"kind": "t5", "settings": values, "prompt": index, "ids": ids})

    common.write_json(
        folder / "case.json",
        {
            "versions": common.versions(),
            "note": "rows: ids of generate() with these settings for one prompt. The models are generation/base and "
            "t5_v10/model; rows with `assistant` have <kind>_assistant guess, with these settings of its own. The ids "
            "are those without guesses.",
            "opt": [p["input_ids"][0].tolist() for p in prompts],
            "opt_mask": [p["attention_mask"][0].tolist() for p in prompts],
            "t5": [p["input_ids"][0].tolist() for p in sources],
            "rows": rows,
        },
    )


SECTIONS = {"assisted": write}
