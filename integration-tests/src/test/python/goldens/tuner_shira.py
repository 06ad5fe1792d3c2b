"""SHiRA: golden/tuner_shira*."""

from peft import ShiraConfig

from . import tuners

SECTIONS = tuners.sections(
    {
        "shira": tuners.case(
            ShiraConfig(r=2, random_seed=5, target_modules=["q_proj", "fc1"], task_type="CAUSAL_LM"),
            "random places from a seed",
        ),
    }
)
