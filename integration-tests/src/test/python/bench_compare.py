#!/usr/bin/env python3
"""Runs our side and Python's in turn, on the same machine in one run, and records both and their ratio.

  bench_compare.py [--rounds 3] [--only "train t5"] [--scratch FOLDER] [--tiny] [--out FILE.json]

Needs the project built with its tests (mvn -DskipTests verify) and the packages of requirements.txt. Every measurement is a
process of its own; the sides alternate, and of each side's rounds the best median counts: what disturbs a round only slows it.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../../../.."))
TUNABLES = ("glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:"
            "glibc.malloc.top_pad=268435456")
FAMILIES = ("llama-135m", "t5-small", "bert-base", "gpt2")
CASES = [
    ["train", "opt-125m", "float32", "4", "128", "2", "5"], ["train", "opt-125m", "bfloat16", "4", "128", "2", "5"],
    ["train", "opt-350m", "float32", "4", "128", "1", "3"], ["train", "opt-350m", "bfloat16", "4", "128", "1", "3"],
    ["train", "tiny-opt", "float32", "2", "16", "500", "500"],
    ["generate", "opt-125m", "bfloat16", "16", "64", "3", "1"], ["generate", "opt-125m", "float32", "16", "64", "3", "1"],
    *(["train", model, dtype, "4", "128", "4", "6"] for model in FAMILIES for dtype in ("float32", "bfloat16")),
    *(["generate", model, "bfloat16", "16", "64", "3", rows] for model in FAMILIES if model != "bert-base"
      for rows in ("1", "8")),
    *(["adapters", "load", model, "float32", "all", "15"] for model in ("opt-350m", "llama-135m")),
    ["adapters", "switch", "opt-350m", "float32", "all", "100"],
    ["adapters", "hundred", "llama-135m", "bfloat16", "qv", "5", "16"],
    *(["adapters", "mixed", "llama-135m", dtype, "qv", "9", tokens] for dtype in ("float32", "bfloat16")
      for tokens in ("1", "16", "128")),
    ["adapters", "mixed", "llama-135m", "bfloat16", "all", "9", "1"],
    ["adapters", "decode", "llama-135m", "bfloat16", "qv", "3", "16"],
    *(["adapters", "step", "llama-135m", dtype, targets, "3", "4", "128", "0.05"] for dtype in ("float32", "bfloat16")
      for targets in ("qv", "all")),
    ["load", "safetensors", "auto", "5"], ["load", "safetensors", "bfloat16", "5"], ["load", "bin", "auto", "5"],
]
# the same at sizes that prove no more than that everything runs
TINY = {"llama-135m": "tiny-llama", "t5-small": "tiny-t5", "bert-base": "tiny-bert", "gpt2": "tiny-gpt2",
        "opt-125m": "tiny-opt", "opt-350m": "tiny-opt"}


def shrunk(case):
    if case[0] == "load":
        return case
    if case[0] == "adapters":
        return [*case[:2], TINY[case[2]], *case[3:5], "3", *(number if "." in number else "4" for number in case[6:])]
    return [case[0], TINY.get(case[1], case[1]), case[2], *(str(min(int(n), 16)) for n in case[3:])]


def java_classpath():
    with open(os.path.join(ROOT, "peft-java/target/classpath.txt")) as file:
        libraries = file.read().strip()
    return ":".join([os.path.join(ROOT, "integration-tests/target/test-classes"),
                     os.path.join(ROOT, "peft-java/target/peft-java.jar"), libraries])


def run(command, env=None):
    start = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[-8:])} failed with {done.returncode}:\n{done.stderr[-2000:]}")
    return wall, done.stdout


def line(output):
    return json.loads([text for text in output.splitlines() if text.startswith("{")][-1])


def folder_of(kind, scratch, tiny):
    """Random float16 weights in the shape of opt-350m, as its repository has them; written once."""
    folder = os.path.join(scratch, ("tiny-" if tiny else "opt-350m-") + kind)
    if not os.path.exists(os.path.join(folder, "config.json")):
        run([sys.executable, os.path.join(HERE, "bench_reference.py"), "write", folder,
             "tiny-opt" if tiny else "opt-350m", "float16", kind])
    return folder


def measure(case, rounds):
    java = ["java", "-XX:+UseSerialGC", "-cp", java_classpath(), "org.peftjava.it.bench.StepBench", *case]
    python = [sys.executable, os.path.join(HERE, "bench_reference.py"), *case]
    sides = {"java": [], "python": []}
    for _ in range(rounds):
        sides["java"].append(line(run(java, {**os.environ, "GLIBC_TUNABLES": TUNABLES})[1]))
        sides["python"].append(line(run(python)[1]))
    best = {side: min(results, key=lambda r: r["median_s"]) for side, results in sides.items()}
    ratio = best["python"]["median_s"] / best["java"]["median_s"]
    memory = best["java"]["peak_mb"] / best["python"]["peak_mb"]
    return dict(case=case, ratio=round(ratio, 3), peak_ratio=round(memory, 3), **best)


def adapter_of(model, scratch):
    """A LoRA adapter with random values for all linear layers; written once."""
    folder = os.path.join(scratch, model + "-lora")
    if not os.path.exists(os.path.join(folder, "adapter_config.json")):
        run([sys.executable, os.path.join(HERE, "bench_adapters.py"), "write", folder, model, "float32", "all"])
    return folder


# what two times of one process have to do with each other: a name, the first, and the one that it is divided by
WITHIN = [("hundred_over_two", "hundred_s", "two_s"), ("mixed_over_single", "mixed_s", "single_s"),
          ("lora_over_base", "lora_s", "base_s"), ("single_over_base", "single_s", "base_s")]


def adapters(case, rounds):
    """As measure, for AdapterBench: Python's time over ours of each work, and ratios within each side."""
    java = ["java", "-XX:+UseSerialGC", "-cp", java_classpath(), "org.peftjava.it.bench.AdapterBench", *case[1:]]
    python = [sys.executable, os.path.join(HERE, "bench_adapters.py"), *case[1:]]
    sides = {"java": [], "python": []}
    for _ in range(rounds):
        sides["java"].append(line(run(java, {**os.environ, "GLIBC_TUNABLES": TUNABLES})[1]))
        sides["python"].append(line(run(python)[1]))
    best = {side: {key: min(result[key] for result in results) for key in results[0] if key.endswith("_s")}
            for side, results in sides.items()}
    result = dict(case=case, **best)
    for key in best["java"]:
        if not key.endswith("_min_s"):
            result["ratio_" + key[:-2]] = round(best["python"][key] / best["java"][key], 3)
    for name, first, second in WITHIN:
        if first in best["java"] and second in best["java"]:
            for side in best:
                result[name + "_" + side] = round(best[side][first] / best[side][second], 3)
    return result


def shares(result, rates):
    """How much of the rate of large products, or of reading memory, our side makes use of."""
    java, found = result["java"], {}
    if java.get("gflop"):
        found["share_of_gemm_limit"] = round(java["gflop"] / java["median_s"] / rates[result["case"][2]], 3)
    if "weight_mb" in java:
        steps = float(result["case"][4]) / java["median_s"]  # each reads every weight once
        found["share_of_reading"] = round(java["weight_mb"] / 1e3 * steps / rates["read"], 3)
    return found


def startup(rounds):
    launcher = [os.path.join(ROOT, "peft"), "selfcheck"]
    python = [sys.executable, os.path.join(HERE, "bench_reference.py"), "startup"]
    walls = {"java": [], "python": []}
    for _ in range(rounds + 1):  # the first of each fills the caches
        walls["java"].append(run(launcher)[0])
        walls["python"].append(run(python)[0])
    best = {side: min(times[1:]) for side, times in walls.items()}
    return dict(case=["startup"], ratio=round(best["python"] / best["java"], 3), java_s=best["java"], python_s=best["python"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases that contain this, such as 'train t5' or 'load'")
    parser.add_argument("--scratch", default="/tmp/peft-java-bench", help="where the folders to load are written")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out")
    options = parser.parse_args()
    reference = [sys.executable, os.path.join(HERE, "bench_reference.py")]
    rates = {dtype: line(run([*reference, "gemm", dtype])[1])["gflops"] for dtype in ("float32", "bfloat16")}
    rates["read"] = line(run([*reference, "read"])[1])["gb_per_s"]
    results = []
    for case in CASES:
        if options.only not in " ".join(case):
            continue
        if options.tiny:
            case = shrunk(case)
        if case[0] == "adapters":
            if case[1] == "load":
                case = [*case, adapter_of(case[2], options.scratch)]
            results.append(adapters(case, options.rounds))
            print(" ".join(case), {k: v for k, v in results[-1].items() if k != "case"}, flush=True)
            continue
        if case[0] == "load":
            case = ["load", folder_of(case[1], options.scratch, options.tiny), *case[2:]]
        result = measure(case, options.rounds)
        result |= shares(result, rates)
        results.append(result)
        print(" ".join(case), {k: v for k, v in result.items() if k not in ("case", "java", "python")},
              [round(result[side]["median_s"], 4) for side in ("java", "python")],
              [result[side]["peak_mb"] for side in ("java", "python")], flush=True)
    if options.only in "startup":
        results.append(startup(options.rounds))
        print(results[-1], flush=True)
    if options.out:
        record = dict(machine=platform.processor() or platform.machine(), cores=os.cpu_count(), rates=rates,
                      rounds=options.rounds, results=results)
        with open(options.out, "w") as file:
            json.dump(record, file, indent=1)


if __name__ == "__main__":
    main()
