"""GLoRA: golden/tuner_glora*."""

from peft import GloraConfig

from . import tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "glora": tuners.case(
            GloraConfig(r=3, target_modules=["q_proj", "fc1"], **TASK),
            "matrices of low rank, numbers for the biases",
            scale=0.3,
        ),
        "glora_vector": tuners.case(
            GloraConfig(config_A_B="vector", config_C="vector", config_D_E="vector", init_weights=False, target_modules=["v_proj", "fc2"], **TASK),
            "vectors; a random start",
            scale=0.4,
        ),
        "glora_constant": tuners.case(
            GloraConfig(config_A_B="constant", config_D_E="none", target_modules=["q_proj", "down_proj"], **TASK),
            "numbers for the weights; layers without biases",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.3,
        ),
        "glora_biases": tuners.case(
            GloraConfig(r=2, config_A_B="none", target_modules=["v_proj", "fc1"], **TASK),
            "nothing but biases",
            scale=0.6,
        ),
    }
)
