"""activations.safetensors: every nonlinearity of ACT2FN without weights, its gradient, and its product with a factor."""

import torch
from transformers.activations import ACT2FN

from . import common

WITH_WEIGHTS = ("prelu", "xielu")


def write(path):
    generator = torch.Generator().manual_seed(23)
    x = torch.randn((7, 9), generator=generator) * 4
    x[0, 0], x[0, 1] = 14.5, -9.5  # beyond what gelu_10 and relu6 let through
    factor = torch.randn(x.shape, generator=generator)
    gradient = torch.randn(x.shape, generator=generator)
    tensors = {"x": x, "factor": factor, "gradient": gradient}
    for name in ACT2FN:
        if name not in WITH_WEIGHTS:
            leaf = x.clone().requires_grad_()
            y = ACT2FN[name](leaf)
            y.backward(gradient)
            tensors |= {f"{name}.y": y, f"{name}.grad": leaf.grad, f"{name}.product": y * factor}
    common.write_tensors(path, tensors)


SECTIONS = {"activations.safetensors": write}
