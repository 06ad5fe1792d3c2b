"""HRA: golden/tuner_hra*."""

from peft import HRAConfig

from . import tuners

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "hra": tuners.case(HRAConfig(r=4, target_modules=["q_proj", "fc1"], **TASK), "a chain of reflections"),
        "hra_odd": tuners.case(
            HRAConfig(r=3, target_modules=["v_proj", "fc2"], **TASK),
            "an odd number of reflections, which cannot start without effect",
        ),
        "hra_gs": tuners.case(
            HRAConfig(r=4, apply_GS=True, target_modules=["q_proj"], init_weights=False, **TASK), "orthogonal vectors"
        ),
    }
)
