#!/usr/bin/env python3
"""Python's side of the comparison: one measurement a process, one JSON line each; the twin of StepBench.java.

  bench_reference.py train <model> <dtype> <batch> <tokens> <warm-up> <steps>
  bench_reference.py generate <model> <dtype> <prompt> <new tokens> <repetitions> <rows>
  bench_reference.py load <folder> <dtype> <repetitions>
  bench_reference.py write <folder> <model> <dtype> safetensors|bin   random weights, as a folder to load
  bench_reference.py startup           one whole tiny job: build a model, one LoRA step, exit
  bench_reference.py gemm <dtype>      the rate of a large product
  bench_reference.py read              the rate at which memory is read

The models are those of ../resources/bench/models.json.
"""
import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "../resources/bench/models.json")) as shapes:
    SHAPES = json.load(shapes)
TARGETS = {"opt": ["q_proj", "v_proj"], "llama": ["q_proj", "v_proj"], "gpt2": ["c_attn"], "t5": ["q", "v"],
           "bert": ["query", "value"]}
TASKS = {"t5": ("AutoModelForSeq2SeqLM", "SEQ_2_SEQ_LM"), "bert": ("AutoModelForSequenceClassification", "SEQ_CLS")}


def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def report(bench, model, dtype, times, tokens, **more):
    times = sorted(times)
    median = times[len(times) // 2]
    print(json.dumps(dict(side="python", bench=bench, model=model, dtype=dtype, median_s=median, min_s=times[0],
                          tokens_per_s=tokens / median, tokens_per_s_best=tokens / times[0], peak_mb=peak_mb(), **more)))


def build(name, dtype):
    import torch
    import transformers
    torch.set_num_threads(2)
    torch.manual_seed(0)
    auto = getattr(transformers, TASKS.get(SHAPES[name]["model_type"], ("AutoModelForCausalLM",))[0])
    return torch, auto.from_config(transformers.AutoConfig.for_model(**SHAPES[name]), dtype=getattr(torch, dtype))


def lora(model):
    from peft import LoraConfig, get_peft_model
    kind = model.config.model_type
    return get_peft_model(model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=TARGETS[kind],
                                            task_type=TASKS.get(kind, (None, "CAUSAL_LM"))[1]))


def train(name, dtype, batch, tokens, warmup, steps):
    torch, model = build(name, dtype)
    model.config.use_cache = False
    model = lora(model)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    ids = torch.randint(3, SHAPES[name]["vocab_size"], (batch, tokens))
    labels = {"t5": ids[:, : tokens // 4].contiguous(), "bert": ids[:, 0] % 2}.get(SHAPES[name]["model_type"], ids)
    times = []
    for i in range(-warmup, steps):
        start = time.perf_counter()
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        if i >= 0:
            times.append(time.perf_counter() - start)
    report("train", name, dtype, times, batch * tokens, loss=value)


def generate(name, dtype, prompt, new, repetitions, rows):
    torch, model = build(name, dtype)
    model.eval()
    ids = torch.randint(3, SHAPES[name]["vocab_size"], (rows, prompt))
    times = []
    for i in range(-1, repetitions):
        start = time.perf_counter()
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new,
                       do_sample=False)
        if i >= 0:
            times.append(time.perf_counter() - start)
    report("generate", name, dtype, times, rows * new)


def load(folder, dtype, repetitions):
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(2)
    before, times = peak_mb(), []
    for _ in range(-1, repetitions):
        start = time.perf_counter()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        times.append(time.perf_counter() - start)
        del model
    report("load", os.path.basename(folder), dtype, times[1:], 1, first_s=times[0], before_mb=before)


def write(folder, name, dtype, kind):
    """A folder as the hub has them: the weights in one file of either format."""
    torch, model = build(name, dtype)
    model.save_pretrained(folder)
    if kind == "bin":
        torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))
        os.remove(os.path.join(folder, "model.safetensors"))


def startup():
    torch, model = build("tiny-opt", "float32")
    model = lora(model)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.randint(3, 1000, (2, 16))
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    print(loss.item())


def gemm(dtype):
    import torch
    torch.set_num_threads(2)
    kind = getattr(torch, dtype)
    a, b = torch.randn(512, 1024).to(kind), torch.randn(4096, 1024).to(kind).t()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    print(json.dumps(dict(side="python", bench="gemm", gflops=2 * 512 * 1024 * 4096 / min(times) / 1e9)))


def read():
    import torch
    torch.set_num_threads(2)
    values = torch.ones(64 << 20)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        values.sum()
        times.append(time.perf_counter() - start)
    print(json.dumps(dict(side="python", bench="read", gb_per_s=values.numel() * 4 / min(times) / 1e9)))


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command in ("train", "generate", "load"):
        globals()[command](arguments[0], arguments[1], *map(int, arguments[2:]))
    else:
        {"startup": startup, "gemm": gemm, "write": write, "read": read}[command](*arguments)
