"""LoKr: golden/tuner_lokr*."""

from peft import LoKrConfig

from . import tuners

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "lokr": tuners.case(
            LoKrConfig(r=2, alpha=7, target_modules=["q_proj", "fc1"], alpha_pattern={"fc1": 5}, **TASK),
            "both factors whole where r is large enough, the right one thin in fc1",
            scale=0.8,
        ),
        "lokr_both": tuners.case(
            LoKrConfig(
                r=1,
                alpha=3,
                decompose_both=True,
                decompose_factor=6,
                target_modules=["q_proj", "fc2"],
                rank_pattern={"layers.1.self_attn.q_proj": 3},
                init_weights="lycoris",
                **TASK,
            ),
            "both factors thin, one rank that makes them whole",
            scale=0.8,
        ),
        "lokr_random": tuners.case(
            LoKrConfig(r=3, alpha=4, decompose_factor=8, target_modules=["v_proj"], init_weights=False, **TASK),
            "a left factor larger than the right one; acts from the start",
            scale=0.8,
        ),
    }
)
