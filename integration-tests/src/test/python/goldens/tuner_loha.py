"""LoHa: golden/tuner_loha*."""

from peft import LoHaConfig

from . import tuners

SECTIONS = tuners.sections(
    {
        "loha": tuners.case(
            LoHaConfig(
                r=3,
                alpha=7,
                target_modules=["q_proj", "fc1"],
                rank_pattern={"fc1": 2},
                alpha_pattern={"layers.1.self_attn.q_proj": 5},
                task_type="CAUSAL_LM",
            ),
            "ranks and alphas by pattern",
            scale=0.7,
        ),
    }
)
