"""KaSA, VeLoRA, MonteCLoRA and QALoRA: golden/tuner_kasa*, tuner_velora*, tuner_monteclora, tuner_qalora*.

The losses of KaSA have the penalty that Python leaves to its callers (LoraModel._get_kasa_loss). QALoRA is for GPTQ
weights in Python: here its layer is put over plain ones.
"""

import torch
from peft import LoraConfig
from peft.tuners.lora import KasaConfig, LoraModel, MontecloraConfig, VeloraConfig
from peft.tuners.lora import layer as lora_layer
from peft.tuners.lora.variants import QALoraLinearVariant

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM", "lora_alpha": 7}


def add_penalties():
    """Puts KaSA's penalty into the loss of a pass in training."""
    plain = LoraModel.forward

    def forward(self, *args, **kwargs):
        output = plain(self, *args, **kwargs)
        if self.training and getattr(output, "loss", None) is not None:
            output.loss = output.loss + self._get_kasa_loss()
        return output

    LoraModel.forward = forward


def allow_qalora():
    """Lets QALoRA work over plain layers, where Python ignores it."""
    plain = lora_layer.Linear.resolve_lora_variant

    def resolve(self, *, config, **kwargs):
        return QALoraLinearVariant() if config.use_qalora else plain(self, config=config, **kwargs)

    lora_layer.Linear.resolve_lora_variant = resolve


add_penalties()
allow_qalora()


def velora(note, init_type, **options):
    torch.manual_seed(5)
    config = LoraConfig(
        r=4, target_modules=["q_proj", "fc1", "fc2"], velora_config=VeloraConfig(init_type=init_type, **options), **TASK
    )
    moving = [] if init_type == "random" else ["lora_velora_embed"]
    return tuners.case(config, note, training=True, moving_buffers=moving)


SECTIONS = tuners.sections(
    {
        "kasa": tuners.case(
            LoraConfig(
                r=3,
                target_modules=["q_proj", "fc1"],
                rank_pattern={"fc1": 2},
                kasa_config=KasaConfig(beta=0.02, gamma=0.03),
                **TASK,
            ),
            "a factor for each rank over a truncated base, with penalties",
            training=True,
            changes_base=True,
        ),
        "velora": velora("backward from 5 numbers a token, the last group filled up", "batch_average", num_groups=5, scale=1.3),
        "velora_once": velora("the direction of the first batch", "batch_average_once", num_groups=8),
        "velora_random": velora("a random direction", "random", num_groups=4, scale=0.7),
        "monteclora": tuners.case(
            LoraConfig(
                r=4,
                target_modules=["q_proj", "v_proj"],
                monteclora_config=MontecloraConfig(num_samples=3, buffer_size=2, sample_scaler=0.05, kl_loss_weight=0.01),
                **TASK,
            ),
            "plain LoRA in evaluation",
            silent=("std_prior", "expert_weights_prior"),
            moving_buffers=["gaussian_var_prior", "lora_monteclora_sampler.default.expert_weights"],
        ),
        "qalora": tuners.case(
            LoraConfig(r=4, target_modules=["q_proj", "fc1", "fc2"], use_qalora=True, qalora_group_size=4, **TASK),
            "sums of four neighbours",
        ),
        "qalora_gpt2": tuners.case(
            LoraConfig(
                r=3, target_modules=["c_attn"], use_qalora=True, qalora_group_size=8, fan_in_fan_out=True, **TASK
            ),
            "over transposed weights",
            base="gpt2_lora/base",
            model=tiny_gpt2,
        ),
    }
)
