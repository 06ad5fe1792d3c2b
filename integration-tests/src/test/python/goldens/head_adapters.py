"""golden/adapter_<name>: an adapter over a model of heads.py, with the targets that PEFT takes for its architecture.

Keys as in LoRA on OPT; the base model is heads_<architecture>/<head>.
"""

import copy

import torch
import transformers
from peft import IA3Config, LoHaConfig, LoraConfig, get_peft_model

from . import common, heads

LORA = {"r": 4, "lora_alpha": 10, "lora_dropout": 0.0}
TASKS = {"sequence": "SEQ_CLS", "token": "TOKEN_CLS"}

# architecture, head, config, middle of the trained values
CASES = {
    "deberta_v2": ("deberta_v2", "sequence", lambda task: LoraConfig(**LORA, task_type=task), 0.0),
    "deberta_v3": ("deberta_v3", "token", lambda task: LoraConfig(**LORA, task_type=task), 0.0),
    "electra": ("electra", "sequence", lambda task: LoraConfig(**LORA, task_type=task), 0.0),
    "deberta_v3_ia3": ("deberta_v3", "sequence", lambda task: IA3Config(task_type=task), 1.0),
    "deberta_v3_loha": ("deberta_v3", "token", lambda task: LoHaConfig(r=2, alpha=3, target_modules=["key_proj", "dense"], task_type=task), 0.0),
}


def base(architecture, head):
    """The model that heads.py has saved."""
    stem, _, _, _, order, _ = heads.ARCHITECTURES[architecture]
    made = getattr(transformers, stem + heads.CLASSES[head])(heads.config(architecture, head))
    return common.loud(made, seed=30 + order.index(head))


def section(name):
    def write(folder):
        architecture, head, config, offset = CASES[name]
        _, _, pad, token_types, _, _ = heads.ARCHITECTURES[architecture]
        inputs, _ = heads.batches(pad, token_types)
        batch = inputs | heads.targets(heads.LOSSES[head][2])
        plain = base(architecture, head)
        tensors = {f"in.{key}": value for key, value in batch.items()}
        tensors["base.logits"] = common.logits_of(plain, batch)
        torch.manual_seed(1)
        tuned = get_peft_model(plain, config(TASKS[head])).eval()
        common.fill_trainable(tuned)
        for key, parameter in tuned.named_parameters():
            if parameter.requires_grad and "modules_to_save" not in key:
                parameter.data += offset
        tuned.save_pretrained(folder / "adapter")
        (folder / "adapter" / "README.md").unlink()
        tensors |= {f"param.{canonical(n)}": p.detach().clone() for n, p in tuned.named_parameters() if p.requires_grad}
        tensors["adapter.logits"] = common.logits_of(tuned, batch)
        tensors["adapter.loss"], grads = common.gradients_of(tuned, batch)
        tensors |= {f"grad.{canonical(key)}": value for key, value in grads.items()}
        gaps, unstable = common.float64_gaps(tuned, batch)
        trainable, total = tuned.get_nb_trainable_parameters()
        tensors["train.losses"], after = common.train_steps(copy.deepcopy(tuned), batch)
        tensors |= {f"train.after.{canonical(key)}": value for key, value in after.items()}
        tensors["merged.logits"] = common.logits_of(tuned.merge_and_unload(), batch)
        common.write_tensors(folder / "io.safetensors", tensors)
        common.write_json(
            folder / "case.json",
            {
                "case": folder.name,
                "versions": common.versions(),
                "base": f"heads_{architecture}/{head}",
                "tolerances": common.TOLERANCES,
                "float64Gaps": gaps,
                "unstableAfterSteps": [canonical(key) for key in unstable],
                "optimizer": common.OPTIMIZER,
                "trainableParameters": trainable,
                "allParameters": total,
            },
        )
        assert (tensors["adapter.logits"] - tensors["base.logits"]).abs().max() > 0.05, "the adapter must be audible"

    return write


def canonical(name):
    """Java's name: of a head of several layers each is trained in full."""
    head, several, layer = name.partition(".modules_to_save.default.")
    return f"{head}.{layer.replace('.', several, 1)}" if "." in layer else name


SECTIONS = {f"adapter_{name}": section(name) for name in CASES}
