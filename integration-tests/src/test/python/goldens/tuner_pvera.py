"""PVeRA: golden/tuner_pvera*. Evaluation: without the numbers that are drawn while training."""

from peft import PeftModel, PveraConfig

from . import common, tuners
from .lora_decoders import tiny_gpt2

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "pvera": tuners.case(
            PveraConfig(r=4, target_modules=["q_proj", "fc1"], projection_prng_key=3, **TASK),
            "layers of two sizes",
            scale=0.8,
        ),
        "pvera_gpt2": tuners.case(
            PveraConfig(r=3, target_modules=["c_attn", "mlp.c_proj"], save_projection=False, init_weights=False, fan_in_fan_out=True, **TASK),
            "over transposed weights; the matrices are drawn again; a random start",
            base="gpt2_lora/base",
            model=tiny_gpt2,
            scale=0.8,
        ),
    }
)


def write_drawn(folder):
    """The adapter of tuner_pvera whose features are drawn in evaluation too, twice, from seed 11."""
    source = folder.parent / "tuner_pvera" / "adapter"
    config = PveraConfig.from_pretrained(source)
    config.sample_at_inference, config.generator_seed = True, 11
    tuned = PeftModel.from_pretrained(common.tiny_opt(), source, config=config).eval()
    first, second = (common.logits_of(tuned, common.causal_batch()) for _ in range(2))
    assert (first - second).abs().max() > 0.05
    common.write_tensors(folder / "io.safetensors", {"first.logits": first, "second.logits": second})


SECTIONS["pvera_drawn"] = write_drawn
