"""Writes golden/adamw.txt: float32 bits before and after steps of torch.optim.AdamW.

Run: python golden_adamw.py > ../resources/golden/adamw.txt   (torch 2.13.0, CPU)
Lines: "case lr beta1 beta2 eps weight_decay steps n", then for each step "g ..." with the gradient,
preceded by one "p ..." with the start and followed by "p ...", "m ...", "v ..." with the end.
"""

import torch

CASES = [
    # lr, beta1, beta2, eps, weight_decay; the third has 1 - beta1 >= 0.5, lerp's other branch
    (3e-3, 0.9, 0.999, 1e-8, 0.01),
    (1e-2, 0.8, 0.95, 1e-6, 0.0),
    (5e-3, 0.3, 0.99, 1e-8, 0.1),
]
STEPS, N = 4, 37


def bits(tensor):
    return " ".join(f"{b & 0xFFFFFFFF:08x}" for b in tensor.view(torch.int32).tolist())


torch.manual_seed(20)
for case in CASES:
    lr, beta1, beta2, eps, weight_decay = case
    print("case", *case, STEPS, N)
    p = torch.nn.Parameter(torch.randn(N))
    print("p", bits(p.detach()))
    optimizer = torch.optim.AdamW(
        [p], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, foreach=False
    )
    for _ in range(STEPS):
        p.grad = torch.randn(N) * 10.0 ** torch.randint(-4, 2, (N,))
        print("g", bits(p.grad))
        optimizer.step()
    state = optimizer.state[p]
    print("p", bits(p.detach()))
    print("m", bits(state["exp_avg"]))
    print("v", bits(state["exp_avg_sq"]))
