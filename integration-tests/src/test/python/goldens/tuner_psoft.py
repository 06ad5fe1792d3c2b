"""PSOFT: golden/tuner_psoft*."""

from peft import PsoftConfig

from . import tuners
from .lora_decoders import tiny_llama

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "psoft": tuners.case(
            PsoftConfig(r=6, psoft_alpha=9, target_modules=["q_proj", "fc1"], **TASK),
            "a rotation between two scaling vectors",
            scale=0.8,
            offset=0.3,
        ),
        "psoft_series": tuners.case(
            PsoftConfig(
                r=4,
                psoft_alpha=7,
                ab_svd_init="pissa_init",
                psoft_svd="lowrank",
                psoft_svd_lowrank_niter=3,
                random_seed=22,
                psoft_mag_a=False,
                use_cayley_neumann=True,
                num_cayley_neumann_terms=6,
                cayley_neumann_eps=0.9,
                init_weights=False,
                target_modules=["k_proj", "down_proj"],
                **TASK,
            ),
            "a series for the rotation, of a matrix with a bound; directions drawn from the seed; a random start",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.7,
        ),
        "psoft_tall": tuners.case(
            PsoftConfig(r=2, psoft_alpha=3, target_modules=["up_proj"], **TASK),
            "weights of 3 to 2, whose decomposition begins with another in MKL",
            base="llama_lora/base",
            model=tiny_llama,
            scale=0.4,
        ),
        "psoft_free": tuners.case(
            PsoftConfig(r=2, psoft_alpha=5, psoft_orth=False, psoft_mag_b=False, target_modules=["k_proj", "fc2"], **TASK),
            "a free matrix",
            scale=0.5,
        ),
    }
)
