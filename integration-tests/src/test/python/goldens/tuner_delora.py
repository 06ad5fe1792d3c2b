"""DeLoRA: golden/tuner_delora*."""

from peft import DeloraConfig

from . import tuners

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "delora": tuners.case(
            DeloraConfig(
                r=4, delora_lambda=3, target_modules=["q_proj", "fc1"], rank_pattern={"fc1": 2}, lambda_pattern={"fc1": 7}, **TASK
            ),
            "ranks and lengths by pattern",
            offset=0.5,
        ),
        "delora_random": tuners.case(
            DeloraConfig(r=3, target_modules=["v_proj"], init_weights=False, **TASK), "acts from the start", offset=0.5
        ),
    }
)
