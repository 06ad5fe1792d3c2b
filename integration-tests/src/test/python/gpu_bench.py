#!/usr/bin/env python3
"""Python's side of the measurements on an NVIDIA card, and the comparison; the twin of GpuBench.java.

  gpu_bench.py kernels <out>x<in>...
  gpu_bench.py train <model> <dtype> <none|nf4|int8> <batch> <tokens> <warm-up> <steps> <0|1: gradient checkpointing>
  gpu_bench.py generate <model> <dtype> <none|nf4|int8> <rows> <prompt> <new tokens> <repetitions>
  (several of these, divided by commas that stand alone)
  gpu_bench.py compare --java "java -cp ..." [--out FILE] [--limit SECONDS] [--quick]

"compare" runs both sides in turn on the same card, Java first, writes their lines to FILE.java and FILE.python as they come, and
prints a table of what there is last. Without bitsandbytes Python's quantized lines are left out, which the table says. The models are
those of ../resources/bench/models.json. BENCH_DEVICE=cpu only tries the program.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
HERE = os.path.dirname(os.path.abspath(__file__))
DEVICE = os.environ.get("BENCH_DEVICE", "cuda:0")
CASES = [
    ["kernels", "4096x4096", "11008x4096"],
    ["train", "llama-1b", "bfloat16", "none", "4", "512", "3", "10", "0"],
    ["train", "llama-1b", "bfloat16", "nf4", "4", "512", "3", "10", "0"],
    ["train", "llama-1b", "bfloat16", "int8", "4", "512", "3", "10", "0"],
    ["train", "llama-7b", "bfloat16", "none", "4", "1024", "2", "5", "1"],
    ["train", "llama-7b", "bfloat16", "nf4", "4", "1024", "2", "5", "1"],
    ["generate", "llama-1b", "bfloat16", "none", "1", "32", "128", "3"],
    ["generate", "llama-1b", "bfloat16", "none", "8", "32", "128", "3"],
    ["generate", "llama-1b", "bfloat16", "nf4", "1", "32", "128", "3"],
]
QUICK = [
    ["kernels", "256x128"],
    ["train", "tiny-opt", "bfloat16", "none", "2", "32", "1", "2", "0"],
    ["train", "tiny-opt", "bfloat16", "nf4", "2", "32", "1", "2", "1"],
    ["generate", "tiny-opt", "bfloat16", "none", "2", "8", "8", "1"],
]


def on_card():
    return DEVICE.startswith("cuda")


def wait(torch):
    if on_card():
        torch.cuda.synchronize()


def seconds(torch, call, calls=50):
    """Of one call in a row, the best of 5 rows."""
    best = float("inf")
    for round_ in range(-1, 5):
        wait(torch)
        start = time.perf_counter()
        for i in range(calls):
            call(i)
        wait(torch)
        if round_ >= 0:
            best = min(best, (time.perf_counter() - start) / calls)
    return best


def emit(**values):
    print(json.dumps(dict(side="python", **values)), flush=True)


def kernels(shapes):
    import torch
    try:
        import bitsandbytes.functional as bnb
        import bitsandbytes as bits
    except ImportError:
        bnb = bits = None
    for shape in shapes:
        out, width = map(int, shape.split("x"))
        dense = (torch.randn(out, width) * 0.02).to(DEVICE, torch.bfloat16)
        copies = min(200, 400_000_000 // (2 * out * width) + 1)
        plain = [dense.clone() for _ in range(copies)]
        four = [bnb.quantize_4bit(dense, quant_type="nf4", compress_statistics=True)
                for _ in range(min(200, copies * 4))] if bnb else []
        if four:
            took = seconds(torch, lambda i: bnb.dequantize_4bit(*four[i % len(four)]))
            moved = out * width * (0.515869 + 2)
            emit(bench="dequantize", shape=shape, quantized="nf4", m=0, us=took * 1e6, gb_per_s=moved / took / 1e9)
        for m in (1, 4, 8, 16, 32, 64, 512, 2048):
            x = torch.randn(m, width).to(DEVICE, torch.bfloat16)
            g = torch.randn(m, out).to(DEVICE, torch.bfloat16)
            linear = torch.nn.functional.linear
            emit(bench="forward", shape=shape, quantized="none", m=m,
                 us=seconds(torch, lambda i: linear(x, plain[i % copies])) * 1e6)
            emit(bench="backward", shape=shape, quantized="none", m=m,
                 us=seconds(torch, lambda i: g @ plain[i % copies]) * 1e6)
            if four:
                emit(bench="forward", shape=shape, quantized="nf4", m=m,
                     us=seconds(torch, lambda i: bits.matmul_4bit(x, four[i % len(four)][0].t(),
                                                                  quant_state=four[i % len(four)][1])) * 1e6)
                emit(bench="backward", shape=shape, quantized="nf4", m=m,
                     us=seconds(torch, lambda i: g @ bnb.dequantize_4bit(*four[i % len(four)])) * 1e6)
    if bits:
        parameter = torch.nn.Parameter(torch.zeros(40_000_000 if on_card() else 40_000, device=DEVICE))
        parameter.grad = torch.ones_like(parameter)
        optimizer = bits.optim.AdamW8bit([parameter])
        emit(bench="adamw8bit", shape=str(parameter.numel()), quantized="int8", m=0, us=seconds(torch, lambda i: optimizer.step()) * 1e6)


def build(name, dtype, quantized):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    with open(os.path.join(HERE, "../resources/bench/models.json")) as shapes:
        config = AutoConfig.for_model(**json.load(shapes)[name])
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    if quantized != "none":
        import bitsandbytes as bits
        for path, module in list(model.named_modules()):
            if not isinstance(module, torch.nn.Linear) or path == "lm_head":
                continue
            bias = module.bias is not None
            if quantized == "nf4":
                layer = bits.nn.Linear4bit(module.in_features, module.out_features, bias, compute_dtype=getattr(torch, dtype),
                                           compress_statistics=True, quant_type="nf4")
                layer.weight = bits.nn.Params4bit(module.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True)
            else:
                layer = bits.nn.Linear8bitLt(module.in_features, module.out_features, bias, has_fp16_weights=False, threshold=6.0)
                layer.weight = bits.nn.Int8Params(module.weight.data, requires_grad=False, has_fp16_weights=False)
            layer.bias = module.bias
            parent, _, leaf = path.rpartition(".")
            setattr(model.get_submodule(parent), leaf, layer)
    return torch, model.to(DEVICE)


def report(torch, bench, name, dtype, quantized, shape, times, tokens, loss):
    median = sorted(times)[len(times) // 2]
    peak = torch.cuda.max_memory_allocated() / 1e6 if on_card() else 0
    emit(bench=bench, model=name, dtype=dtype, quantized=quantized, shape=shape, median_s=median, tokens_per_s=tokens / median,
         peak_mb=peak, loss=loss)


def train(name, dtype, quantized, batch, tokens, warmup, steps, recompute):
    torch, model = build(name, dtype, quantized)
    from peft import LoraConfig, get_peft_model
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=["q_proj", "v_proj"],
                                             task_type="CAUSAL_LM"))
    if recompute:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    try:
        import bitsandbytes as bits
        optimizer = bits.optim.AdamW8bit(trained, lr=1e-3)
    except ImportError:
        optimizer = torch.optim.AdamW(trained, lr=1e-3)
    ids = torch.randint(3, model.config.vocab_size, (batch, tokens), device=DEVICE)
    times, value = [], 0
    for i in range(-warmup, steps):
        if i == 0 and on_card():
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        if i >= 0:
            times.append(time.perf_counter() - start)
    shape = f"{batch}x{tokens}" + (" recomputed" if recompute else "")
    report(torch, "train", name, dtype, quantized, shape, times, batch * tokens, value)


def generate(name, dtype, quantized, rows, prompt, new, repetitions):
    torch, model = build(name, dtype, quantized)
    model.eval()
    ids = torch.randint(3, model.config.vocab_size, (rows, prompt), device=DEVICE)
    times = []
    for i in range(-1, repetitions):
        if i == 0 and on_card():
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, do_sample=False)
        if i >= 0:
            times.append(time.perf_counter() - start)
    report(torch, "generate", name, dtype, quantized, f"{rows} rows", times, rows * new, 0)


def measure(case):
    """Runs one case; without bitsandbytes there are no quantized ones."""
    if case[0] == "kernels":
        return kernels(case[1:])
    if case[3] != "none":
        try:
            import bitsandbytes  # noqa: F401
        except ImportError:
            return
    {"train": train, "generate": generate}[case[0]](*case[1:4], *map(int, case[4:]))


def cases_of(arguments):
    found = [[]]
    for argument in arguments:
        if argument == ",":
            found.append([])
        else:
            found[-1].append(argument)
    return found


def lines_of(command, cases, limit, out):
    """Runs one side; its lines stay in a file beside its messages, also if it is ended."""
    arguments = [word for case in cases for word in [",", *case]][1:]
    with open(out, "w") as file:
        try:
            done = subprocess.run([*command, *arguments], stdout=file, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            done = f"no result after {limit} s"
    if done != 0:
        print(f"{os.path.basename(command[0])} ended with {done}", file=sys.stderr)
    with open(out) as file:
        return [json.loads(text) for text in file if text.startswith("{") and text.endswith("}\n")]


def compare(java, out, quick, limit):
    cases = QUICK if quick else CASES
    found = lines_of([*shlex.split(java), "org.peftjava.it.bench.GpuBench"], cases, limit, out + ".java")
    found += lines_of([sys.executable, os.path.abspath(__file__)], cases, limit, out + ".python")

    def key(line):
        return line["bench"], line.get("model", ""), line["shape"], line["quantized"], line.get("m", "")

    sides = {side: {key(line): line for line in found if line["side"] == side} for side in ("java", "python")}
    print("\nmeasurement | Java | Python | Python's time / Java's | MB, Java (planned) | MB, Python")

    def took(line):
        if line is None:
            return None, "not measured"
        us = line["us"] if "us" in line else line["median_s"] * 1e6
        return us, f"{us:.1f} us"

    for name in dict.fromkeys([*sides["java"], *sides["python"]]):
        ours, theirs = sides["java"].get(name), sides["python"].get(name)
        (our_us, our_time), (their_us, their_time) = took(ours), took(theirs)
        ratio = f"{their_us / our_us:.2f}" if ours and theirs else ""
        our_memory = f"{ours['peak_mb']:.0f} ({ours['planned_mb']:.0f})" if ours and ours.get("peak_mb") else ""
        their_memory = f"{theirs['peak_mb']:.0f}" if theirs and theirs.get("peak_mb") else ""
        print(f"{' '.join(map(str, name))} | {our_time} | {their_time} | {ratio} | {our_memory} | {their_memory}")
    return 0 if sides["java"] else 1


def main():
    if sys.argv[1] == "compare":
        parser = argparse.ArgumentParser()
        parser.add_argument("--java", required=True)
        parser.add_argument("--out", default="bench", help="FILE.java and FILE.python get the lines of the sides, as they come")
        parser.add_argument("--limit", type=float, help="seconds for each side")
        parser.add_argument("--quick", action="store_true")
        options = parser.parse_args(sys.argv[2:])
        sys.exit(compare(options.java, options.out, options.quick, options.limit))
    import gc
    import traceback
    failed = 0
    for case in cases_of(sys.argv[1:]):
        try:
            measure(case)
        except Exception:
            failed += 1
            traceback.print_exc()
        gc.collect()
        if on_card():
            import torch
            torch.cuda.empty_cache()
    sys.exit(failed)


if __name__ == "__main__":
    main()
