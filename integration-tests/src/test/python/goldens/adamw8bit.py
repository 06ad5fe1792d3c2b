"""AdamW with 8-bit state: bitsandbytes' blockwise update written out, since the library is not a requirement.

After `kOptimizerStatic8bit2StateBlockwise` (codes, blocks of 256) and `kOptimizer32bit2State` (fewer than 4096 numbers), but that a second moment
above 0 never becomes 0: in the CPU build of bitsandbytes it does not, and the steps after it are huge. Where the library is, it is compared.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from . import common

CODEBOOKS = Path(__file__).parents[5] / "quantization/src/test/resources/golden/bnb/codebooks.safetensors"
BLOCK = 256
MIN_8BIT_SIZE = 4096
STEPS = 6
SHAPES = {"weight": (70, 61), "half": (64, 65), "bias": (37,)}
SETTINGS = {"lr": 0.02, "betas": [0.9, 0.98], "eps": 1e-8, "weight_decay": 0.1}
BROKEN = (2, 5)  # the step and the number of "weight" whose gradient is infinite


def blocks(values):
    """[n_blocks, 256], the last one filled up with 0."""
    missing = -values.numel() % BLOCK
    return torch.cat([values.flatten(), values.new_zeros(missing)]).reshape(-1, BLOCK)


class Moment:
    """One moment: codes and scales, or plain numbers."""

    def __init__(self, numel, code):
        self.numel, self.code = numel, code
        self.codes = torch.zeros(blocks(torch.zeros(numel)).shape, dtype=torch.int64)
        self.absmax = torch.zeros(len(self.codes))
        self.plain = torch.zeros(numel)

    def read(self):
        if self.numel < MIN_8BIT_SIZE:
            return self.plain
        return (self.code[self.codes] * self.absmax.unsqueeze(1)).flatten()[: self.numel]

    def write(self, values):
        if self.numel < MIN_8BIT_SIZE:
            self.plain = values
            return
        rows = blocks(values)
        self.absmax = rows.abs().amax(1)
        scaled = rows / self.absmax.unsqueeze(1)
        middles = (self.code[1:] + self.code[:-1]) / 2
        self.codes = torch.bucketize(scaled, middles)
        lost = (rows < 0) & (self.code[self.codes] == 0)
        self.codes -= lost.long()
        if self.code[0] == 0:
            self.codes += ((self.codes == 0) & (rows > 0)).long()


def update(p, g, mean, square, step, settings=SETTINGS):
    beta1, beta2 = settings["betas"]
    good = torch.isfinite(g)
    m = mean.read() * beta1 + (1 - beta1) * g
    v = square.read() * beta2 + (1 - beta2) * g * g
    correction1, correction2 = 1 - beta1**step, (1 - beta2**step) ** 0.5
    changed = p + (-settings["lr"] * correction2 / correction1) * (m / (v.sqrt() + correction2 * settings["eps"]))
    changed = changed * (1 - settings["lr"] * settings["weight_decay"])
    zero = torch.zeros(())
    mean.write(torch.where(good, m, zero))
    square.write(torch.where(good, v, zero))
    return torch.where(good, changed, p)


def write(folder):
    books = load_file(CODEBOOKS)
    generator = torch.Generator().manual_seed(31)
    tensors = {}
    for name, shape in SHAPES.items():
        dtype = torch.bfloat16 if name == "half" else torch.float32
        p = torch.randn(shape, generator=generator).to(dtype)
        tensors[f"start.{name}"] = p
        grads = torch.randn((STEPS, *shape), generator=generator) * torch.rand(shape, generator=generator) ** 4
        if name == "weight":
            grads[BROKEN[0]].flatten()[BROKEN[1]] = float("inf")
        tensors[f"grad.{name}"] = grads.to(torch.bfloat16)
        mean, square = Moment(p.numel(), books["dynamic_signed_8"]), Moment(p.numel(), books["dynamic_unsigned_8"])
        for step in range(STEPS):
            g = grads[step].to(torch.bfloat16).float().flatten()
            p = update(p.float().flatten(), g, mean, square, step + 1).reshape(shape).to(dtype)
        tensors[f"after.{name}"] = p
        tensors[f"mean.{name}"], tensors[f"square.{name}"] = mean.read(), square.read()
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"settings": SETTINGS, "versions": common.versions()})


def compare():
    """Steps of bitsandbytes' CPU build, which decays weights before the step and looks codes up in 65,536 bins, beside those here."""
    import bitsandbytes as bnb

    books, settings = load_file(CODEBOOKS), dict(SETTINGS, weight_decay=0.0)
    for scale in (0, 2):
        generator = torch.Generator().manual_seed(5)
        start, sizes = torch.randn(50_000, generator=generator), torch.exp(scale * torch.randn(50_000, generator=generator))
        real = torch.nn.Parameter(start.clone())
        optimizer = bnb.optim.AdamW8bit([real], lr=settings["lr"], betas=settings["betas"], eps=settings["eps"], weight_decay=0.0)
        exact = torch.nn.Parameter(start.clone())
        plain = torch.optim.AdamW([exact], lr=settings["lr"], betas=settings["betas"], eps=settings["eps"], weight_decay=0.0)
        own, mean, square = start, Moment(50_000, books["dynamic_signed_8"]), Moment(50_000, books["dynamic_unsigned_8"])
        for step in range(20):
            real.grad = exact.grad = torch.randn(50_000, generator=generator) * sizes
            optimizer.step()
            plain.step()
            own = update(own, real.grad, mean, square, step + 1, settings)
        exact = exact.detach()
        moved = (exact - start).norm()
        print(f"sizes exp({scale} N(0, 1)), away from float32's AdamW as a share of the way: bitsandbytes "
              f"{((real.detach() - exact).norm() / moved).item():.3f}, here {((own - exact).norm() / moved).item():.3f}")


SECTIONS = {"adamw8bit": write}
