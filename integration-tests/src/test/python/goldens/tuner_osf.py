"""OSF: golden/tuner_osf*. PEFT 0.21 cannot unmerge it: here the change is taken off again. Copies of its layers lose the hooks
that turn gradients: here they get them back."""

import copy

from peft import OSFConfig
from peft.tuners.osf.layer import Linear, OSFLayer
from peft.tuners.osf.model import OSFModel
from peft.tuners.tuners_utils import BaseTuner

from . import tuners

TASK = {"task_type": "CAUSAL_LM"}


def unmerge(self):
    while self.merged_adapters:
        self.get_base_layer().weight.data -= self.get_delta_weight(self.merged_adapters.pop())


def deepcopy(self, memo):
    result = self.__class__.__new__(self.__class__)
    memo[id(self)] = result
    state = {name: value for name, value in self.__dict__.items() if name != "hook_handles"}
    result.__dict__ = copy.deepcopy(state, memo)
    result.hook_handles = []
    for name in result.osf_svd_params:
        result._attach_hooks(name)
    return result


OSFLayer.unmerge = unmerge
OSFModel.unmerge_adapter = BaseTuner.unmerge_adapter
Linear.__deepcopy__ = deepcopy

SECTIONS = tuners.sections(
    {
        "osf": tuners.case(
            OSFConfig(effective_rank=10, rank_pattern={"layers.1.*fc": 0.5}, target_modules=["q_proj", "fc1", "fc2"], **TASK),
            "square, tall and wide weights",
        ),
        "osf_random": tuners.case(
            OSFConfig(effective_rank=0.75, init_weights=False, target_modules=["v_proj", "fc2"], **TASK),
            "a share of the singular values, a random start",
        ),
    }
)
