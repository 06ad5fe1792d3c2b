"""C3A: golden/tuner_c3a*."""

from peft import C3AConfig

from . import tuners

def c3a(note, **values):
    """Only one layer, the last: the gradient that Python hands on to earlier ones is wrong (gradcheck fails)."""
    return tuners.case(C3AConfig(layers_to_transform=[1], task_type="CAUSAL_LM", **values), note, scale=3.0)


SECTIONS = tuners.sections(
    {
        "c3a": c3a("several blocks", block_size=4, target_modules=["fc2"]),
        "c3a_pattern": c3a(
            "the block size by pattern", block_size=8, block_size_pattern={"fc1": 16}, target_modules=["fc1"]
        ),
    }
)
