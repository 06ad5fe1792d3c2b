"""The measurements of one tuner: a folder tuner_<name> with adapter/, io.safetensors and case.json.

A module of a tuner says `SECTIONS = tuners.sections({"loha": tuners.case(LoHaConfig(...), "what is special")})`. Java's
TunerGoldensTest and TunerContractTest find the folders; nothing has to be registered there. The base model is one that
another section writes.
"""

import copy

import torch
from peft import get_peft_model
from transformers import GenerationConfig

from . import common
from .common import causal_batch, left_padded_batch

QV = ["q_proj", "v_proj"]


def opt():
    return common.tiny_opt()


def case(config, note, base="opt_lora/base", model=opt, scale=0.3, offset=0.0, batch=None, training=False, silent=(), narrow=(), **facts):
    """A case: the config, what is special about it, the base model and where another section has
    saved it; what models with the adapter get besides (batch); whether gradients and steps are measured while training;
    what parameters get no gradient otherwise (silent, parts of names). Trained values are drawn from [offset - scale, offset + scale]. Facts: changes_base (a new
    adapter changes base weights), full_precision_only (the base may not be quantized), moving_buffers (parts of names), bits_of_base
    (what is trained depends on each bit of the base), without_gradient (parts of names that never get one). Narrow: parts of
    names of what has the base's type where that has 16 bits."""
    facts |= {"training": True} if training else {}
    facts |= {"narrow_over16_bit": list(narrow)} if narrow else {}
    measured = {"training": training, "silent": silent}
    return {"config": config, "note": note, "base": base, "model": model, "scale": scale, "offset": offset, "further": batch or {}, "measured": measured, "facts": facts}


SHARED = ["vblora_vector_bank", "tinylora_v", "unilora_theta_d"]
CASES = {}  # all of all modules


def sections(cases):
    CASES.update({f"tuner_{name}": values for name, values in cases.items()})
    return {f"tuner_{name}": (lambda folder, values=values: write_case(folder, **values)) for name, values in cases.items()}


def write_case(folder, config, note, base, model, scale, offset, further, measured, facts):
    batch, left = causal_batch(), left_padded_batch()
    half = get_peft_model(model().to(torch.bfloat16), copy.deepcopy(config))
    wide = all(
        p.dtype == torch.float32
        for n, p in half.named_parameters()
        if p.requires_grad and not any(part in n for part in facts.get("narrow_over16_bit", ()))
    )
    plain = model()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    tensors |= {f"left.{name}": value for name, value in left.items()}
    tensors["base.logits"] = common.logits_of(plain, batch)
    tensors |= {f"in.{name}": value for name, value in further.items()}
    batch, left = batch | further, left | further
    torch.manual_seed(1)
    tuned = get_peft_model(plain, config).eval()
    fresh = (common.logits_of(tuned, batch) - tensors["base.logits"]).abs().max()
    common.fill_trainable(tuned, scale=scale)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data += offset
    tuned.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    tensors |= {f"param.{n}": p.detach().clone() for n, p in tuned.named_parameters() if p.requires_grad}
    tensors["adapter.logits"] = common.logits_of(tuned, batch)
    tuned.train(measured["training"])
    tensors["adapter.loss"], grads = common.gradients_of(tuned, batch)
    grads = {name: value for name, value in grads.items() if not any(part in name for part in measured["silent"])}
    tuned.eval()
    tensors |= {f"grad.{name}": value for name, value in grads.items()}
    mergeable = merge(tuned, batch, tensors)
    tensors["gen.ids"] = greedy(tuned, left)
    tuned.train(measured["training"])
    gaps, unstable = common.float64_gaps(tuned, batch)
    trainable, total = tuned.get_nb_trainable_parameters()
    trained = copy.deepcopy(tuned)
    tensors["train.losses"], after = common.train_steps(trained, batch)
    tensors |= {f"train.after.{name}": value for name, value in after.items()}
    common.write_tensors(folder / "io.safetensors", {canonical(name): value for name, value in tensors.items()})
    common.write_json(
        folder / "case.json",
        {
            "case": folder.name,
            "note": note,
            "versions": common.versions(),
            "base": base,
            "seeds": {"base": 7, "adapter": "crc32(parameter name) + 3", "scale": scale, "offset": offset},
            "tolerances": common.TOLERANCES,
            "float64Gaps": gaps,
            "unstableAfterSteps": [canonical(name) for name in unstable],
            "optimizer": common.OPTIMIZER,
            "peftClass": type(tuned).__name__,
            "trainableParameters": trainable,
            "allParameters": total,
            "startsWithoutEffect": bool(fresh < 1e-5),
            "mergeable": mergeable,
            "float32Over16Bit": wide,
            "targetedModules": getattr(tuned.base_model, "targeted_module_names", [])
            + getattr(tuned.base_model, "targeted_parameter_names", []),
            **{camel(name): value for name, value in facts.items()},
        },
    )
    assert gaps["logits"] < common.TOLERANCES["forward"] / 4, gaps
    assert gaps["gradient"] < common.TOLERANCES["gradient"] / 4, gaps
    assert (tensors["adapter.logits"] - tensors["base.logits"]).abs().max() > 0.05, "the adapter must be audible"
    faint = [n for n, value in grads.items() if not value.abs().max() > 1e-6 and not n.endswith("k_proj.bias")]
    assert not faint, f"gradients are zero: {faint}"  # a bias of keys moves all scores of a query alike


def camel(name):
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def canonical(name):
    """Java's name: what layers share stands beside the base model, not in the first layer that torch finds it in."""
    if name.endswith((".adaption_prompt", ".adaption_gate")):  # Python has only the acting adapter's, under no name
        return f"{name}.default"
    for group in SHARED:
        kind, shared, rest = name.partition(f".{group}.")
        if shared:
            return f"{kind.partition('base_model')[0]}base_model{shared}{rest}"
    return name


def merge(tuned, batch, tensors):
    """Merged, unmerged and disabled results; False for a method that cannot merge."""
    common.logits_of(tuned, batch)  # SHADOW keeps its last state, which has no copy if it has a graph
    try:
        copy.deepcopy(tuned).merge_adapter()
    except (NotImplementedError, AttributeError, TypeError, ValueError):
        with tuned.disable_adapter():
            tensors["disabled.logits"] = common.logits_of(tuned, batch)
        return False
    common.merge_measurements(tuned, batch, tensors)
    return True


def greedy(tuned, left):
    """Greedy ids of a left-padded batch, whose choices are clear."""
    tuned.generation_config.eos_token_id = None
    settings = dict(max_new_tokens=6, do_sample=False, pad_token_id=common.PAD, eos_token_id=None)
    output = tuned.generate(
        **left, generation_config=GenerationConfig(**settings), return_dict_in_generate=True, output_logits=True
    )
    top = torch.stack(output.logits).topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1]).min() > 1e-4, "greedy choice too close to a tie"
    return output.sequences
