"""generate() of a tiny OPT: greedy, sampled and with beams, and every logits processor on its own.

Sampling draws with the noise of `noise()`, which is a formula, in place of torch's generator: the Java tests draw the same.
"""

import torch
from transformers import GenerationConfig, LogitsProcessorList

from . import common

EOS = 32  # a token that the model below likes, so that rows and beams end at different lengths

BASE = {"eos_token_id": EOS, "pad_token_id": common.PAD, "max_new_tokens": 12}

GREEDY = [
    {**settings, "eos_token_id": settings.get("eos_token_id", 3)}
    for settings in (
        {},
        {"eos_token_id": [24, 12]},
        {"eos_token_id": None, "max_new_tokens": 22},
        {"min_new_tokens": 9},
        {"min_length": 15},
        {"repetition_penalty": 1.9, "max_new_tokens": 20, "eos_token_id": None},
        {"no_repeat_ngram_size": 1, "max_new_tokens": 22, "eos_token_id": None},
        {"no_repeat_ngram_size": 2, "max_new_tokens": 22, "eos_token_id": None},
        {"bad_words_ids": [[12], [24, 29], [39, 24, 16]]},
        {"suppress_tokens": [18, 12], "begin_suppress_tokens": [28]},
        {"forced_eos_token_id": 5, "eos_token_id": [5, 9]},
        {"encoder_no_repeat_ngram_size": 1},
        {"encoder_repetition_penalty": 1.5},
        {"sequence_bias": [[[24], -9.0], [[18, 25], 8.0], [[28, 39, 11], 30.0]]},
        {"exponential_decay_length_penalty": [2, 1.6]},
        {"max_new_tokens": 9, "prefill_chunk_size": 3},
        {"use_cache": False},
        {"max_length": 13, "max_new_tokens": None},
        {"max_new_tokens": None, "max_length": None},
    )
]

BEAMS = [
    {"num_beams": 2},
    {"num_beams": 4},
    {"num_beams": 4, "num_return_sequences": 4},
    {"num_beams": 4, "num_return_sequences": 3, "early_stopping": True},
    {"num_beams": 4, "num_return_sequences": 3, "early_stopping": "never"},
    {"num_beams": 4, "length_penalty": 0.0, "num_return_sequences": 2},
    {"num_beams": 4, "length_penalty": 2.5, "num_return_sequences": 2},
    {"num_beams": 4, "length_penalty": -1.5, "num_return_sequences": 2},
    {"num_beams": 4, "length_penalty": 3.0, "early_stopping": "never", "num_return_sequences": 2},
    {"num_beams": 3, "eos_token_id": [EOS, 19, 12], "num_return_sequences": 3},
    {"num_beams": 3, "no_repeat_ngram_size": 2, "min_new_tokens": 4},
    {"num_beams": 3, "repetition_penalty": 1.3, "bad_words_ids": [[12, 12]], "num_return_sequences": 2},
    {"num_beams": 5, "use_cache": False, "num_return_sequences": 2},
    {"num_beams": 5, "max_new_tokens": 18, "num_return_sequences": 5, "renormalize_logits": True},
    {"num_beams": 3, "forced_eos_token_id": 5, "num_return_sequences": 2},
    {"num_beams": 3, "pad_token_id": 0, "num_return_sequences": 3},
    {"num_beams": 4, "eos_token_id": None, "max_new_tokens": 6, "num_return_sequences": 2},
    {"num_beams": 3, "prefill_chunk_size": 2, "num_return_sequences": 3},
]

SAMPLED = [
    {"do_sample": True, "top_k": 0},
    {"do_sample": True, "temperature": 0.7, "top_k": 8, "top_p": 0.9},
    {"do_sample": True, "num_return_sequences": 3, "top_k": 12, "min_p": 0.02},
    {"do_sample": True, "typical_p": 0.7, "top_k": 0, "repetition_penalty": 1.2},
    {"do_sample": True, "num_beams": 3, "top_k": 10, "num_return_sequences": 3},
    {"do_sample": True, "num_beams": 2, "temperature": 1.6, "top_k": 0, "top_p": 0.8, "num_return_sequences": 2},
]

PROCESSORS = [
    {"repetition_penalty": 1.3},
    {"encoder_repetition_penalty": 1.7},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"encoder_no_repeat_ngram_size": 2},
    {"encoder_no_repeat_ngram_size": 3},
    {"bad_words_ids": [[4], [5, 9, 6], [9, 11], [7, 21]]},
    {"bad_words_ids": [[3], [8]]},
    {"sequence_bias": [[[4], 2.5], [[9], -1.5], [[5, 9, 9], 3.0], [[21, 7, 9], -4.0]]},
    {"min_length": 6},
    {"min_length": 5},
    {"min_new_tokens": 3},
    {"min_new_tokens": 2},
    {"forced_bos_token_id": 6},
    {"forced_eos_token_id": [4, 6]},
    {"forced_eos_token_id": 6, "max_length": 6},
    {"exponential_decay_length_penalty": [1, 1.6]},
    {"exponential_decay_length_penalty": [2, 1.6]},
    {"suppress_tokens": [0, 5, 23]},
    {"begin_suppress_tokens": [5, 6]},
    {"remove_invalid_values": True, "bad_words_ids": [[4], [7]]},
    {"renormalize_logits": True, "suppress_tokens": [5]},
    {"do_sample": True, "temperature": 0.6, "top_k": 0},
    {"do_sample": True, "top_h": 0.4, "top_k": 0},
    {"do_sample": True, "top_h": 0.8, "top_k": 0},
    {"do_sample": True, "top_k": 4},
    {"do_sample": True, "top_k": 0, "top_p": 0.7},
    {"do_sample": True, "top_k": 0, "min_p": 0.2},
    {"do_sample": True, "top_k": 0, "typical_p": 0.3},
    {"do_sample": True, "top_k": 0, "typical_p": 0.9},
    {"do_sample": True, "top_k": 0, "epsilon_cutoff": 0.05},
    {"do_sample": True, "top_k": 0, "epsilon_cutoff": 0.9},
    {"do_sample": True, "top_k": 0, "eta_cutoff": 0.1},
    {"do_sample": True, "top_k": 0, "eta_cutoff": 0.9},
    {"do_sample": True, "num_beams": 2, "top_k": 1},
    {"do_sample": True, "num_beams": 2, "top_k": 0, "top_p": 0.05},
    {"do_sample": True, "num_beams": 2, "top_k": 0, "min_p": 0.9},
    {"do_sample": True, "num_beams": 2, "top_k": 0, "typical_p": 0.05},
    {"do_sample": True, "num_beams": 2, "top_k": 0, "epsilon_cutoff": 0.9},
    {"do_sample": True, "num_beams": 2, "top_k": 0, "eta_cutoff": 0.9},
    {
        "do_sample": True,
        "temperature": 0.8,
        "top_k": 14,
        "top_p": 0.95,
        "min_p": 0.01,
        "typical_p": 0.95,
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 2,
        "suppress_tokens": [1],
        "renormalize_logits": True,
    },
]


def varied_opt():
    """A tiny OPT whose positions weigh much, so that it does not repeat one token for ever."""
    from transformers import OPTForCausalLM

    model = common.loud(OPTForCausalLM(common.opt_config()), seed=22)
    model.model.decoder.embed_positions.weight.data *= 3
    model.generation_config = GenerationConfig()
    return model


def noise(step, rows, width):
    """Positive numbers that look random and are the same in every language: -log of (k + 0.5) / 9973."""
    index = torch.arange(rows * width, dtype=torch.int64)
    mixed = (index * 7919 + (step + 1) * 104729 + (index % 97) * (step + 3) * 31) % 9973
    return -torch.log((mixed.double() + 0.5) / 9973).reshape(rows, width)


class Draws:
    """Replaces torch.multinomial without replacement: the largest of probability / noise, as torch does it."""

    def __init__(self):
        self.step = 0

    def __call__(self, probabilities, num_samples, replacement=False):
        q = noise(self.step, *probabilities.shape)
        self.step += 1
        return torch.topk(probabilities.double() / q, num_samples)[1]


GROUPS = [
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.8, "num_return_sequences": 4},
    {"num_beams": 4, "num_beam_groups": 4, "diversity_penalty": 1.5, "num_return_sequences": 3},
    {"num_beams": 6, "num_beam_groups": 3, "diversity_penalty": 0.4, "num_return_sequences": 6, "early_stopping": True},
    {"num_beams": 6, "num_beam_groups": 2, "diversity_penalty": 3.0, "num_return_sequences": 4, "length_penalty": 2.0},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.6, "num_return_sequences": 4, "early_stopping": "never"},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.6, "num_return_sequences": 4, "eos_token_id": [EOS, 24]},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.6, "num_return_sequences": 2, "no_repeat_ngram_size": 1},
]


class Group:
    """The ended hypotheses of one group of beams of one prompt: BeamHypotheses of transformers 4.57."""

    def __init__(self, size, config, room):
        self.size, self.config, self.room = size, config, room
        self.kept, self.worst, self.done = [], 1e9, False

    def add(self, total, generated, ids):
        score = total / generated**self.config.length_penalty
        if len(self.kept) < self.size or score > self.worst:
            self.kept.append((score, ids))
            if len(self.kept) > self.size:
                self.kept.remove(min(self.kept, key=lambda pair: pair[0]))
                self.worst = min(pair[0] for pair in self.kept)
            else:
                self.worst = min(score, self.worst)

    def check(self, best, generated):
        if len(self.kept) == self.size and not self.done:
            early, penalty = self.config.early_stopping, self.config.length_penalty
            length = self.room if early == "never" and penalty > 0 else generated
            self.done = early is True or self.worst >= best / length**penalty


def group_beam_search(model, settings, batch):
    """(ids, scores) of group beam search as transformers 4 does it; version 5 keeps it in a repository on the hub.

    The same decisions as transformers 4.57's BeamSearchScorer with HammingDiversityLogitsProcessor, written out for this golden.
    """
    values = effective(settings)
    config = GenerationConfig(**{**GenerationConfig._get_default_generation_params(), **values})
    width = batch["input_ids"].shape[1]
    config.max_length = width + config.max_new_tokens
    model._prepare_special_tokens(config, device="cpu")
    eos = config._eos_token_tensor.tolist()
    beams, count = config.num_beams, config.num_beam_groups
    size, prompts_count = beams // count, batch["input_ids"].shape[0]
    processors = model._get_logits_processor(
        generation_config=config, input_ids_seq_length=width, encoder_input_ids=batch["input_ids"], device="cpu"
    )
    ids = batch["input_ids"].repeat_interleave(beams, 0)
    mask = batch["attention_mask"].repeat_interleave(beams, 0)
    ended = [[Group(size, config, config.max_new_tokens) for _ in range(count)] for _ in range(prompts_count)]
    totals = torch.full((prompts_count * beams,), -1e9)
    totals[::size] = 0
    while ids.shape[1] < config.max_length and not all(group.done for groups in ended for group in groups):
        generated = ids.shape[1] + 1 - width
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask).logits[:, -1]
        log_probs = torch.log_softmax(logits.float(), -1)
        tokens, origins = torch.zeros(len(ids), dtype=torch.long), torch.arange(len(ids))
        for g in range(count):
            rows = [p * beams + g * size + i for p in range(prompts_count) for i in range(size)]
            scores = log_probs[rows].clone()
            for p in range(prompts_count):
                earlier = torch.bincount(tokens[p * beams : p * beams + g * size], minlength=scores.shape[1])
                scores[p * size : (p + 1) * size] -= config.diversity_penalty * earlier
            scores = processors(ids[rows], scores) + totals[rows][:, None]
            best, places = torch.topk(scores.reshape(prompts_count, -1), max(2, 1 + len(eos)) * size)
            for p in range(prompts_count):
                first, filled = p * beams + g * size, 0
                if ended[p][g].done:
                    tokens[first : first + size], totals[first : first + size] = common.PAD, 0
                    continue
                for rank, (total, place) in enumerate(zip(best[p].tolist(), places[p].tolist())):
                    origin, token = first + place // scores.shape[1], place % scores.shape[1]
                    if token in eos:
                        if rank < size:
                            ended[p][g].add(total, generated, ids[origin].tolist())
                    elif filled < size:
                        row = first + filled
                        tokens[row], origins[row], filled = token, origin, filled + 1
                        totals[row] = best[p][rank]
                    if filled == size:
                        break
                ended[p][g].check(best[p].max().item(), generated)
        ids = torch.cat([ids[origins], tokens[:, None]], 1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    sequences = []
    for p in range(prompts_count):
        for g in range(count):
            if not ended[p][g].done:
                for row in range(p * beams + g * size, p * beams + (g + 1) * size):
                    ended[p][g].add(totals[row].item(), ids.shape[1] - width, ids[row].tolist())
        kept = sorted((pair for group in ended[p] for pair in group.kept), key=lambda pair: pair[0], reverse=True)
        sequences += kept[: config.num_return_sequences]
    length = min(max(len(row) for _, row in sequences) + 1, config.max_length)
    padded = [(row + [eos[0]] + [common.PAD] * length)[:length] for _, row in sequences]
    return padded, [score for score, _ in sequences]


CONTRASTIVE = [
    {"penalty_alpha": 0.6, "top_k": 4},
    {"penalty_alpha": 0.3, "top_k": 7, "max_new_tokens": 20, "eos_token_id": None},
    {"penalty_alpha": 0.9, "top_k": 3, "eos_token_id": [EOS, 24, 9]},
    {"penalty_alpha": 0.5, "top_k": 50, "repetition_penalty": 1.3, "eos_token_id": 9},
]


def contrastive_search(model, settings, batch):
    """ids of contrastive search (arXiv:2202.06417) as transformers 4 does it; version 5 keeps it in a repository on the hub.

    Of the k likeliest tokens the one with the best (1 - alpha) p - alpha max cosine(hidden state, earlier hidden states).
    """
    values = effective(settings)
    config = GenerationConfig(**{**GenerationConfig._get_default_generation_params(), **values})
    width = batch["input_ids"].shape[1]
    config.max_length = width + config.max_new_tokens
    model._prepare_special_tokens(config, device="cpu")
    eos = [] if config._eos_token_tensor is None else config._eos_token_tensor.tolist()
    processors = model._get_logits_processor(
        generation_config=config, input_ids_seq_length=width, encoder_input_ids=batch["input_ids"], device="cpu"
    )
    rows, alpha = [], config.penalty_alpha
    for start, mask in zip(batch["input_ids"], batch["attention_mask"]):
        ids, real = start.tolist(), mask.tolist()
        while len(ids) < config.max_length and not (len(ids) > width and ids[-1] in eos):
            with torch.no_grad():
                known = model(
                    input_ids=torch.tensor([ids]), attention_mask=torch.tensor([real]), output_hidden_states=True
                )
            scores = processors(torch.tensor([ids]), known.logits[:, -1].float())
            likely = torch.topk(torch.softmax(scores, -1)[0], min(config.top_k, scores.shape[1]))
            earlier = torch.nn.functional.normalize(known.hidden_states[-1][0], dim=-1)[torch.tensor(real) == 1]
            values = []
            for p, token in zip(likely.values, likely.indices.tolist()):
                with torch.no_grad():
                    tried = model(
                        input_ids=torch.tensor([[*ids, token]]),
                        attention_mask=torch.tensor([[*real, 1]]),
                        output_hidden_states=True,
                    )
                state = torch.nn.functional.normalize(tried.hidden_states[-1][0, -1], dim=-1)
                values.append((1 - alpha) * p - alpha * (earlier @ state).max())
            ids.append(likely.indices[int(torch.stack(values).argmax())].item())
            real.append(1)
        rows.append(ids)
    length = max(len(row) for row in rows)
    return [row + [common.PAD] * (length - len(row)) for row in rows]


def prompts():
    batch = common.left_padded_batch()
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def effective(settings):
    return {name: value for name, value in {**BASE, **settings}.items() if value is not None}


def generated(model, settings, batch):
    original, torch.multinomial = torch.multinomial, Draws()
    try:
        return model.generate(
            **batch,
            **effective(settings),
            return_dict_in_generate=True,
            output_scores=True,
            output_logits=True,
        )
    finally:
        torch.multinomial = original


def write_generation(folder):
    model = varied_opt()
    model.save_pretrained(folder / "base")
    rows = []
    tensors = {}
    batch = prompts()
    single = {name: value[:1] for name, value in batch.items()}
    for kind, cases in (("greedy", GREEDY), ("beams", BEAMS), ("sampled", SAMPLED)):
        for settings in cases:
            for name, inputs in (("batch", batch), ("single", single)):
                output = generated(model, settings, inputs)
                row = {
                    "kind": kind,
                    "settings": effective(settings),
                    "batch": name,
                    "ids": output.sequences.tolist(),
                }
                if kind == "beams" or settings.get("num_beams", 1) > 1:
                    row["sequences_scores"] = output.sequences_scores.tolist()
                    row["beam_indices"] = output.beam_indices.tolist()
                    transition = model.compute_transition_scores(output.sequences, output.scores, output.beam_indices)
                    row["transition_scores"] = transition.tolist()
                else:
                    transition = model.compute_transition_scores(
                        output.sequences, output.scores, normalize_logits=True
                    )
                    row["transition_scores"] = [[max(value, -1e30) for value in line] for line in transition.tolist()]
                rows.append(row)
        if kind == "beams":
            for settings in GROUPS:
                ids, scores = group_beam_search(model, settings, batch)
                row = {"kind": "groups", "settings": effective(settings), "batch": "batch", "ids": ids}
                rows.append({**row, "sequences_scores": scores})
            for settings in CONTRASTIVE:
                ids = contrastive_search(model, settings, batch)
                rows.append({"kind": "contrastive", "settings": effective(settings), "batch": "batch", "ids": ids})
        if kind == "greedy":
            output = generated(model, {"repetition_penalty": 1.9, "eos_token_id": None}, batch)
            tensors["scores"] = torch.stack(output.scores)
            tensors["logits"] = torch.stack(output.logits)
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "versions": common.versions(),
            "note": "rows: generate() with these settings for the prompts of batch (padded on the left) or its first row. "
            "Sampling draws topk(probabilities / noise) with the formula of goldens/generation.py. io.safetensors: "
            "scores and logits (steps, rows, vocabulary) of greedy search with repetition_penalty 1.9 for the batch.",
            "input_ids": batch["input_ids"].tolist(),
            "attention_mask": batch["attention_mask"].tolist(),
            "rows": rows,
        },
    )


def write_processors(folder):
    model = common.tiny_opt(vocab_size=24)
    generator = torch.Generator().manual_seed(77)
    scores = torch.randn((2, 24), generator=generator) * 2
    prompt = torch.tensor([[5, 9, 6], [21, 7, 21]])
    ids = torch.tensor([[5, 9, 6, 5, 9], [21, 7, 21, 21, 7]])
    tensors, rows = {"logits": scores, "input_ids": ids, "prompt": prompt}, []
    for index, settings in enumerate(PROCESSORS):
        values = {"max_length": 11, "eos_token_id": [3, 8], **settings}
        config = GenerationConfig(**values)
        model._prepare_special_tokens(config, device="cpu")
        tokens, length = ids, prompt.shape[1]
        if "forced_bos_token_id" in settings:
            tokens, length = ids[:, :1], 1
        if "begin_suppress_tokens" in settings:
            length = ids.shape[1]
        processors = model._get_logits_processor(
            generation_config=config,
            input_ids_seq_length=length,
            encoder_input_ids=prompt,
            device="cpu",
            logits_processor=LogitsProcessorList(),
        )
        result = processors(tokens, scores.clone())
        changed = not torch.equal(result, scores)
        tensors[f"row{index}.scores"] = result
        rows.append(
            {
                "row": index,
                "settings": values,
                "tokens": tokens.shape[1],
                "prompt_length": length,
                "order": [type(p).__name__ for p in processors],
                "changed": changed,
            }
        )
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(
        folder / "case.json",
        {
            "versions": common.versions(),
            "note": "row<i>.scores: logits after the processors that transformers makes of the settings, with the first "
            "<tokens> tokens of input_ids generated so far, of which <prompt_length> count as the prompt; the encoder's "
            "input is prompt.",
            "rows": rows,
        },
    )


STOPS = [["weight"], ["the rank", "!"], ["ight st"], ["\u00e9"], ["\U0001f600"], [" "], ["ay"], ["a longer stop text than fits"]]

TEXTS = [
    "The weight stays where it is.",
    "the ranking of the rank! It stays",
    "caf\u00e9 cr\u00e8me \U0001f600 br\u00fbl\u00e9e",
    "\u4f60\u597d\uff0c\u4e16\u754c and the weight\nnew line\n\n\u3053\u3093 x",
    "  spaces  and a longer stop text than fits here ",
]


def write_texts(target):
    """Stop strings and text streams over the tokens of texts, with the tokenizer of the section `tokenizer`."""
    import tempfile
    from pathlib import Path

    from transformers import AutoTokenizer, TextIteratorStreamer
    from transformers.generation.stopping_criteria import StopStringCriteria

    from . import tokenizer as tokenizers

    with tempfile.TemporaryDirectory() as scratch:
        tokenizers.write(Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(str(Path(scratch) / "fast"))
    rows = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        row = {"text": text, "ids": ids, "stops": [], "streams": []}
        for stops in STOPS:
            criterion = StopStringCriteria(tokenizer, stops)
            done = [bool(criterion(torch.tensor([ids[: n + 1]]), None)[0]) for n in range(len(ids))]
            row["stops"].append({"strings": stops, "done": [n for n, value in enumerate(done) if value]})
        for skip in (False, True):
            streamer = TextIteratorStreamer(tokenizer, skip_special_tokens=skip)
            for token in [*ids, 2]:
                streamer.put(torch.tensor([token]))
            streamer.end()
            pieces = [piece for piece in streamer if piece]
            row["streams"].append({"skip_special_tokens": skip, "ids": [*ids, 2], "pieces": pieces})
        rows.append(row)
    common.write_json(
        target,
        {
            "versions": common.versions(),
            "note": "stops: after which tokens StopStringCriteria says done. streams: what TextIteratorStreamer passes on.",
            "rows": rows,
        },
    )


SECTIONS = {
    "generation": write_generation,
    "logits_processors": write_processors,
    "generation_texts.json": write_texts,
}
