"""WaveFT: golden/tuner_waveft*."""

from peft import WaveFTConfig

from . import tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "waveft": tuners.case(
            WaveFTConfig(n_frequency=30, scaling=3.0, random_loc_seed=12, n_frequency_pattern={"fc1": 50}, target_modules=["q_proj", "fc1"], **TASK),
            "Haar wavelets, numbers by pattern",
            scale=0.5,
        ),
        "waveft_sym": tuners.case(
            WaveFTConfig(n_frequency=40, scaling=2.0, wavelet_family="sym4", proportional_parameters=True, init_weights=False, target_modules=["v_proj", "fc2"], **TASK),
            "longer filters, numbers by size, a random start",
            scale=0.5,
        ),
        "waveft_coif_gpt2": tuners.case(
            WaveFTConfig(n_frequency=25, scaling=2.0, wavelet_family="coif2", target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, **TASK),
            "coiflets over transposed weights",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.5,
        ),
        "waveft_plain": tuners.case(
            WaveFTConfig(n_frequency=25, scaling=3.0, use_idwt=False, target_modules=["q_proj", "fc2"], **TASK),
            "elements of the update itself",
            scale=0.2,
        ),
    }
)
