"""OFT: golden/tuner_oft*."""

from peft import OFTConfig

from . import tuners

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "oft": tuners.case(
            OFTConfig(oft_block_size=4, target_modules=["q_proj", "fc2"], **TASK), "rotations by the truncated series"
        ),
        "oft_exact": tuners.case(
            OFTConfig(r=6, oft_block_size=0, use_cayley_neumann=False, target_modules=["v_proj", "fc1", "fc2"], **TASK),
            "exact rotations, and a number of blocks that is made to fit",
        ),
        "oft_shared": tuners.case(
            OFTConfig(
                oft_block_size=8, block_share=True, num_cayley_neumann_terms=7, target_modules=["q_proj"], init_weights=False, **TASK
            ),
            "one rotation for all blocks, a longer series; acts from the start",
        ),
        "oft_constrained": tuners.case(
            OFTConfig(oft_block_size=4, coft=True, eps=0.9, target_modules=["q_proj", "v_proj"], **TASK),
            "rotations shortened at every use",
        ),
        "oft_embedding": tuners.case(
            OFTConfig(oft_block_size=4, target_modules=["embed_positions", "q_proj"], **TASK), "positions rotated too"
        ),
    }
)
