"""FourierFT: golden/tuner_fourierft*."""

from peft import FourierFTConfig

from . import tuners

SECTIONS = tuners.sections(
    {
        "fourierft": tuners.case(
            FourierFTConfig(
                n_frequency=30,
                scaling=90.0,
                random_loc_seed=12,
                n_frequency_pattern={"fc1": 50},
                target_modules=["q_proj", "fc1"],
                task_type="CAUSAL_LM",
            ),
            "frequencies by pattern, layers that are not square",
        ),
    }
)
