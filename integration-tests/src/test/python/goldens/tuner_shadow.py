"""ShadowPEFT: golden/tuner_shadow*. Evaluation: without dropout. What makes the next state has no gradient in the last layer."""

from peft import ShadowConfig

from . import tuners
from .lora_decoders import tiny_gpt2, tiny_llama

TASK = {"task_type": "CAUSAL_LM"}
SIDE = ("shadow_backbone", "shadow_projection")


def case(config, note, silent, **values):
    return tuners.case(config, note, silent=silent, without_gradient=list(silent), narrow=SIDE, **values)


SECTIONS = tuners.sections(
    {
        "shadow": case(
            ShadowConfig(r=3, shadow_alpha=0.7, auxiliary_loss_weight=0.3, **TASK),
            "a mirrored model of one layer that reads the base's token vectors",
            silent=("layers.1.shadow_update",),
            scale=0.4,
        ),
        "shadow_llama": case(
            ShadowConfig(
                r=4,
                update_hidden_size=5,
                shadow_alpha=0.8,
                auxiliary_loss_weight=0.2,
                init_weights=False,
                shadow_num_hidden_layers=2,
                shadow_hidden_size=8,
                shadow_num_attention_heads=2,
                shadow_intermediate_size=12,
                **TASK,
            ),
            "a narrower model with its own token vectors and a projection",
            silent=("layers.1.shadow_update",),
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.4,
        ),
        "shadow_gpt2": case(
            ShadowConfig(r=2, shadow_alpha=0.9, auxiliary_loss_weight=0, share_embeddings=False, target_modules=["h.0"], **TASK),
            "one layer, own token vectors of the base's size, no loss of its own",
            silent=("shadow_update",),
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.5,
        ),
    }
)
