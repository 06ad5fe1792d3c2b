"""RandLoRA: golden/tuner_randlora*."""

from peft import RandLoraConfig

from . import tuners


def randlora(note, **values):
    config = RandLoraConfig(
        r=5, randlora_alpha=12, target_modules=["q_proj", "fc1", "fc2"], task_type="CAUSAL_LM", **values
    )
    return tuners.case(config, note, scale=0.2)


SECTIONS = tuners.sections(
    {
        "randlora": randlora("wide, narrow and square layers; a rank that does not divide them"),
        "randlora_unsaved": randlora("the random matrices come from the seed", projection_prng_key=9, save_projection=False),
        "randlora_sparse": randlora("sparse random matrices", sparse=True),
        "randlora_very_sparse": randlora("very sparse random matrices", very_sparse=True),
    }
)
