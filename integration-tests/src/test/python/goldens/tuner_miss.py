"""MiSS: golden/tuner_miss*."""

from peft import MissConfig

from . import tuners

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "miss": tuners.case(
            MissConfig(r=6, target_modules=["q_proj", "fc2"], **TASK),
            "r does not divide the input features",
        ),
        "miss_bat": tuners.case(
            MissConfig(r=4, init_weights="bat", target_modules=["q_proj", "fc1"], **TASK), "an update that depends on the weight"
        ),
        "miss_mini": tuners.case(
            MissConfig(r=8, mini_r=4, init_weights="mini", target_modules=["v_proj", "fc1"], **TASK),
            "a block repeated over the outputs",
        ),
        "miss_random": tuners.case(
            MissConfig(r=4, init_weights=False, target_modules=["v_proj"], **TASK), "acts from the start"
        ),
    }
)
