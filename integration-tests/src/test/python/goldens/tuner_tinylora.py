"""TinyLoRA: golden/tuner_tinylora*."""

from peft import TinyLoraConfig

from . import tuners
from .lora_decoders import tiny_gpt2, tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "tinylora": tuners.case(
            TinyLoraConfig(r=3, u=5, weight_tying=0.5, target_modules=["q_proj", "v_proj", "fc1"], **TASK),
            "three groups of two layers, in Python's order of modules",
            scale=0.9,
        ),
        "tinylora_gpt2": tuners.case(
            TinyLoraConfig(
                r=2,
                u=7,
                projection_seed=9,
                save_projection=False,
                init_weights="uniform",
                init_v_bound=0.4,
                target_modules=["c_attn", "mlp.c_proj"],
                fan_in_fan_out=True,
                **TASK,
            ),
            "over transposed weights; projections drawn again, each layer's from its own seed; a random start",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.9,
        ),
        "tinylora_embedding": tuners.case(
            TinyLoraConfig(r=40, u=3, weight_tying=1.0, target_modules=["embed_tokens", "v_proj"], **TASK),
            "an embedding; one vector for all; a rank that no layer has",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.3,
        ),
    }
)
