"""LoRA on layers that are used more than once: golden/tuner_replication."""

from peft import LoraConfig

from . import tuners
from .lora_decoders import tiny_llama

SECTIONS = tuners.sections(
    {
        "replication": tuners.case(
            LoraConfig(
                r=3,
                lora_alpha=7,
                target_modules=["q_proj", "up_proj"],
                layer_replication=[[0, 2], [1, 2], [0, 1]],
                task_type="CAUSAL_LM",
            ),
            "layers 0 1 1 0 of two; PEFT merges all adapters of a layer into the one weight, we do not",
            base="llama_lora/base",
            model=tiny_llama,
            changes_base=True,
            full_precision_only=True,
            mergeable=False,
        ),
    }
)
