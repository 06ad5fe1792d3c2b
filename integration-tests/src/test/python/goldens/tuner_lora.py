"""DoRA and the starts of LoRA that change what is trained or the base: golden/tuner_dora*, tuner_pissa, ..."""

from peft import LoraConfig
from peft.tuners.lora import BdLoraConfig

from . import common, tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM", "lora_alpha": 7}


def untied():
    return common.tiny_opt(tie_word_embeddings=False)


def start(name, note, **values):
    config = LoraConfig(r=4, target_modules=["q_proj", "fc1"], init_lora_weights=name, **TASK, **values)
    changes = {} if name == "mica" else {"changes_base": True}
    return tuners.case(config, note, full_precision_only=True, **changes)


SECTIONS = tuners.sections(
    {
        "dora": tuners.case(
            LoraConfig(r=3, target_modules=["q_proj", "fc1"], rank_pattern={"fc1": 2}, use_dora=True, **TASK),
            "magnitude and direction apart",
        ),
        "dora_rslora_gpt2": tuners.case(
            LoraConfig(r=3, target_modules=["c_attn", "c_proj"], use_dora=True, use_rslora=True, fan_in_fan_out=True, **TASK),
            "over transposed weights",
            base="gpt2_lora/base",
            model=tiny_gpt2,
        ),
        "dora_embedding": tuners.case(
            LoraConfig(r=3, target_modules=["embed_tokens", "v_proj"], use_dora=True, **TASK),
            "over an embedding",
            base="opt_embedding/base",
            model=untied,
        ),
        "bdlora": tuners.case(
            LoraConfig(
                r=4,
                target_modules=["q_proj", "v_proj", "fc2"],
                use_bdlora=BdLoraConfig(
                    target_modules_bd_a=["fc2"], target_modules_bd_b=["q_proj"], nblocks=2, match_strict=False
                ),
                **TASK,
            ),
            "block-diagonal B of q_proj, A of fc2",
        ),
        "lora_parameters": tuners.case(
            LoraConfig(
                r=3,
                target_modules=[],
                target_parameters=["v_proj.weight", "fc2.weight"],
                rank_pattern={"fc2.weight": 5},
                alpha_pattern={"v_proj.weight": 4},
                **TASK,
            ),
            "over parameters (target_parameters)",
            full_precision_only=True,
        ),
        "pissa": start("pissa", "what A and B start with is taken out of the base"),
        "olora": start("olora", "first values from a QR decomposition"),
        "mica": start("mica", "only A is trained"),
    }
)
