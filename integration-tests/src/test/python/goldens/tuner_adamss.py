"""AdaMSS: golden/tuner_adamss* and golden/adamss_schedule.

PEFT needs scikit-learn for it, which otherwise changes what transformers does in assisted generation. So it is no part of
the pinned environment, and without it there are no sections here. For these alone (and for layer_types.json):

    pip install --no-deps --target FOLDER scikit-learn==1.6.1 joblib threadpoolctl cloudpickle
    PYTHONPATH=FOLDER python gen_goldens.py OUT adamss
"""

import importlib.util

import torch
from peft import AdamssConfig, get_peft_model

from . import common, tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}
STEPS = 8


def follow_the_base():
    """Layers keep the type that the base had at first, and could not be measured in float64."""
    from peft.tuners.adamss.layer import Linear

    Linear.dtype = property(lambda layer: layer.get_base_layer().weight.dtype, lambda layer, value: None)


def cases():
    follow_the_base()
    return tuners.sections(
        {
            "adamss": tuners.case(
                AdamssConfig(r=6, num_subspaces=3, subspace_rank=2, random_seed=5, target_modules=["q_proj", "fc1"], **TASK),
                "three subspaces of rank 2, biases",
                scale=0.7,
                full_precision_only=True,
            ),
            "adamss_llama": tuners.case(
                AdamssConfig(
                    r=7,
                    num_subspaces=4,
                    subspace_rank=3,
                    use_dynamic_rank=True,
                    svd_threshold=0.5,
                    init_weights=None,
                    target_modules=["v_proj", "down_proj"],
                    **TASK,
                ),
                "no biases; ranks that depend on the subspace; a random start",
                base="llama_lora/base",
                model=tiny_llama,
                scale=0.4,
                full_precision_only=True,
            ),
        }
    )


def write_schedule(folder):
    """The adapter of tuner_adamss in training with ASA: which subspaces are trained after each step, and the losses."""
    source = folder.parent / "tuner_adamss" / "adapter"
    config = AdamssConfig.from_pretrained(source)
    config.inference_mode = False
    for name, value in dict(use_asa=True, asa_target_subspaces=4, init_warmup=1, final_warmup=6, mask_interval=2, asa_schedule_exponent=1.5).items():
        setattr(config, name, value)
    tuned = get_peft_model(common.tiny_opt(), config)
    from safetensors.torch import load_file
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(tuned, load_file(str(source / "adapter_model.safetensors")))
    tuned.eval()
    trained = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(trained.values(), lr=0.5)
    batch = common.causal_batch()
    losses, active = [], []
    for step in range(STEPS):
        loss = tuned(**batch).loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        tuned.base_model.update_and_allocate(step)
        optimizer.zero_grad()
        active.append(sorted(name for name, p in trained.items() if p.requires_grad))
    common.write_json(folder / "case.json", {"losses": losses, "active": active, "counts": [len(names) for names in active]})


SECTIONS = (cases() | {"adamss_schedule": write_schedule}) if importlib.util.find_spec("sklearn") else {}
