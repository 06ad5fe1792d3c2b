"""RoAd: golden/tuner_road*."""

from peft import RoadConfig

from . import tuners


def road(variant, note):
    config = RoadConfig(variant=variant, group_size=8, target_modules=tuners.QV + ["fc1"], task_type="CAUSAL_LM")
    return tuners.case(config, note, scale=0.8, offset=0.7)


SECTIONS = tuners.sections(
    {
        "road_1": road("road_1", "one angle and scale for a pair"),
        "road_2": road("road_2", "one for each row of a pair's matrix"),
        "road_4": road("road_4", "one for each element of it"),
    }
)
