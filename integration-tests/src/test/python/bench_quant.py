#!/usr/bin/env python3
"""bitsandbytes on the CPU beside our quantized layers, in one run on the same machine.

  bench_quant.py compare [--seconds 3] [--rounds 2] [--java-classpath PATH] [SHAPE...]
  bench_quant.py products SECONDS SHAPE...
  bench_quant.py decode MODEL NEW_TOKENS ROUNDS
  bench_quant.py step MODEL BATCH TOKENS ROUNDS

The last three are the twins of QuantBench and ModelQuantBench: weights rotate through more memory than a cache holds, contenders take turns,
the least time counts. "train": Linear4bit and Linear8bitLt in training mode, what QLoRA runs; "eval": under no_grad in evaluation mode, where
bitsandbytes repacks 4-bit weights and computes in bfloat16, whatever was asked. "compare" runs ours and this in turn, a process each, and prints
the least times with their ratio. Needs bitsandbytes (its CPU library can be built from its sources) and the project built with its tests.
"""
import argparse
import json
import os
import subprocess
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../../../.."))
ROTATION = 160_000_000


def best(seconds, contenders):
    result = [float("inf")] * len(contenders)
    end, call = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or call < 5:
        for i, contender in enumerate(contenders):
            start = time.perf_counter()
            contender(call)
            result[i] = min(result[i], time.perf_counter() - start)
        call += 1
    return result


def rotation(make, size):
    return [make() for _ in range(int(ROTATION // size) + 1)]


def quantized(kind, dense, dtype):
    import bitsandbytes as bnb
    out, width = dense.shape
    if kind == "nf4":
        layer = bnb.nn.Linear4bit(width, out, bias=False, compute_dtype=dtype, compress_statistics=True, quant_type="nf4")
        layer.weight = bnb.nn.Params4bit(dense, requires_grad=False, quant_type="nf4", compress_statistics=True)
    else:
        layer = bnb.nn.Linear8bitLt(width, out, bias=False, has_fp16_weights=False, threshold=6.0)
        layer.weight = bnb.nn.Int8Params(dense, requires_grad=False, has_fp16_weights=False)
    return layer.to("cpu")


def products(seconds, shapes):
    import torch
    torch.set_num_threads(2)
    for shape in shapes:
        out, width = map(int, shape.split("x"))
        for kind, dtype in (("nf4", torch.bfloat16), ("nf4", torch.float32), ("int8", torch.bfloat16)):
            dense = (torch.randn(out, width) * 0.02).to(dtype)
            plain = rotation(dense.clone, dense.numel() * dense.element_size())
            bytes_each = out * width * (0.516 if kind == "nf4" else 1)
            trained = [layer.train() for layer in rotation(lambda: quantized(kind, dense.clone(), dtype), bytes_each)]
            evaluated = [layer.eval() for layer in rotation(lambda: quantized(kind, dense.clone(), dtype), bytes_each)]
            with torch.no_grad():
                for layer in evaluated:
                    layer(torch.ones(1, width, dtype=dtype))  # repacks its weight
            for m in (1, 8, 128, 512):
                x, g = torch.randn(m, width).to(dtype), torch.randn(m, out).to(dtype)
                needing = x.clone().requires_grad_()

                def forward(layers):
                    def run(i):
                        with torch.no_grad():
                            layers[i % len(layers)](x)
                    return run

                def both(i):
                    trained[i % len(trained)](needing).backward(g)

                def plain_both(i):
                    torch.nn.functional.linear(needing, plain[i % len(plain)]).backward(g)

                times = best(seconds, [lambda i: torch.nn.functional.linear(x, plain[i % len(plain)]), forward(trained), forward(evaluated),
                                       plain_both, both])
                names = ("plain_f", "train_f", "eval_f", "plain_fb", "train_fb")
                print(json.dumps(dict(weight=kind, shape=shape, dtype=str(dtype)[6:], m=m, **{n: t * 1e3 for n, t in zip(names, times)})), flush=True)


def model(name, packed):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    torch.set_num_threads(2)
    with open(os.path.join(HERE, "../resources/bench/models.json")) as shapes:
        config = AutoConfig.for_model(**json.load(shapes)[name])
    with torch.device("meta"):
        result = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    result.to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in result.parameters():
            parameter.fill_(1) if parameter.dim() == 1 else parameter.copy_((torch.randn(parameter.shape[-1]) * 0.02).expand_as(parameter))
        for module in result.modules():
            if hasattr(module, "inv_freq"):
                module.inv_freq.copy_(module.rope_init_fn(config, "cpu")[0] if hasattr(module, "rope_init_fn")
                                      else module.compute_default_rope_parameters(config, "cpu")[0])
    if packed:
        for path, module in list(result.named_modules()):
            if isinstance(module, torch.nn.Linear) and path != "lm_head":
                parent, _, leaf = path.rpartition(".")
                setattr(result.get_submodule(parent), leaf, quantized("nf4", module.weight.data, torch.bfloat16))
    result.tie_weights()
    return torch, result


def decode(name, tokens, rounds):
    for packed in (False, True):
        torch, llm = model(name, packed)
        llm.eval()
        ids = torch.randint(3, llm.config.vocab_size, (1, 8))
        once = lambda i: llm.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens,  # noqa: E731
                                      do_sample=False)
        once(0)
        took = min(timed(once) for _ in range(rounds))
        print(json.dumps(dict(bench="decode", model=name, weights="nf4" if packed else "bfloat16", ms=took * 1e3 / tokens)), flush=True)
        del llm, once


def timed(call):
    start = time.perf_counter()
    call(0)
    return time.perf_counter() - start


def step(name, batch, tokens, rounds):
    from peft import LoraConfig, get_peft_model
    for packed in (False, True):
        torch, llm = model(name, packed)
        llm.config.use_cache = False
        llm = get_peft_model(llm, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")).train()
        optimizer = torch.optim.AdamW([p for p in llm.parameters() if p.requires_grad], lr=1e-3)
        ids = torch.randint(3, llm.config.vocab_size, (batch, tokens))

        def once(i):
            llm(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        once(0)
        took = min(timed(once) for _ in range(rounds))
        print(json.dumps(dict(bench="step", model=name, weights="nf4" if packed else "bfloat16", ms=took * 1e3)), flush=True)
        del llm, optimizer, once


def ours(classpath, name, *arguments):
    environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GLIBC_TUNABLES=(
        "glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"))
    done = subprocess.run(["java", "-Xmx2g", "-cp", classpath, f"org.peftjava.it.bench.{name}", *map(str, arguments)], env=environment,
                          capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def theirs(*arguments):
    done = subprocess.run([sys.executable, os.path.abspath(__file__), *map(str, arguments)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def least(table, key, values):
    known = table.setdefault(key, {})
    for name, value in values.items():
        known[name] = min(value, known.get(name, float("inf")))


def compare(options):
    here, there = {}, {}
    for _ in range(options.rounds):
        for shape in options.shapes:
            for line in ours(options.java_classpath, "QuantBench", options.seconds, shape):
                cells = [cell.strip() for cell in line.split("|")]
                if len(cells) == 8 and cells[2].isdigit():
                    least(here, (cells[0], *cells[1].split(), int(cells[2])),
                          dict(f=float(cells[4].split()[0]), fb=float(cells[6].split()[0])))
            for line in theirs("products", options.seconds, shape):
                least(there, (line["weight"], line["shape"], line["dtype"], line["m"]), {k: v for k, v in line.items() if k[-2:] in ("_f", "fb")})
    print("weight | out x in, type | M | ours f | train f (x ours) | eval f (x ours) | ours f+b | train f+b (x ours)")
    for key, own in here.items():
        other = there[key]
        print(f"{key[0]} | {key[1]} {key[2]} | {key[3]} | {own['f']:.3f} | {other['train_f']:.3f} ({other['train_f'] / own['f']:.2f}) | "
              f"{other['eval_f']:.3f} ({other['eval_f'] / own['f']:.2f}) | {own['fb']:.3f} | {other['train_fb']:.3f} ({other['train_fb'] / own['fb']:.2f})")


def main():
    if sys.argv[1] == "products":
        products(float(sys.argv[2]), sys.argv[3:])
    elif sys.argv[1] in ("decode", "step"):
        globals()[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--seconds", type=float, default=3)
        parser.add_argument("--rounds", type=int, default=2)
        parser.add_argument("--java-classpath")
        parser.add_argument("shapes", nargs="*", default=["1024x1024", "4096x4096", "11008x4096"])
        options = parser.parse_args(sys.argv[2:])
        if options.java_classpath is None:
            with open(os.path.join(ROOT, "peft-java/target/classpath.txt")) as file:
                options.java_classpath = ":".join([os.path.join(ROOT, "integration-tests/target/test-classes"),
                                                   os.path.join(ROOT, "peft-java/target/peft-java.jar"), file.read().strip()])
        compare(options)


if __name__ == "__main__":
    main()
