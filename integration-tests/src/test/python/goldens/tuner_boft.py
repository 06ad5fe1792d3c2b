"""BOFT: golden/tuner_boft*. Python takes several arrangements of blocks only where its CUDA extension is; here torch
stands in for the extension's one function, which writes blocks along a diagonal."""

import torch
from peft import BOFTConfig
from peft.tuners.boft import layer

from . import tuners


class BlockDiagonals:
    @staticmethod
    def apply(blocks):
        return torch.stack([torch.block_diag(*torch.unbind(one)) for one in blocks])


layer.get_fbd_cuda = lambda: True
layer.FastBlockDiag = BlockDiagonals

TASK = {"task_type": "CAUSAL_LM"}

SECTIONS = tuners.sections(
    {
        "boft": tuners.case(
            BOFTConfig(boft_block_size=4, target_modules=["q_proj", "fc2"], **TASK), "one arrangement", offset=0.6
        ),
        "boft_butterfly": tuners.case(
            BOFTConfig(boft_block_size=0, boft_block_num=8, boft_n_butterfly_factor=3, target_modules=["fc2"], **TASK),
            "three arrangements of eight blocks of four",
            offset=0.6,
        ),
        "boft_random": tuners.case(
            BOFTConfig(
                boft_block_size=4, boft_n_butterfly_factor=2, target_modules=["v_proj", "fc1"], init_weights=False, **TASK
            ),
            "two arrangements; acts from the start",
            offset=0.6,
        ),
    }
)
