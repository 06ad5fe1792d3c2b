#!/usr/bin/env python3
"""Runs our side and Python's in turn, on the same machine in one run, and records both and their ratio.

  bench_compare.py [--rounds 3] [--only WORD] [--out FILE.json]

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
CASES = [
    ["train", "opt-125m", "float32", "4", "128", "2", "5"], ["train", "opt-125m", "bfloat16", "4", "128", "2", "5"],
    ["train", "opt-350m", "float32", "4", "128", "1", "3"], ["train", "opt-350m", "bfloat16", "4", "128", "1", "3"],
    ["train", "tiny-opt", "float32", "2", "16", "500", "500"], ["generate", "opt-125m", "bfloat16", "16", "64", "3"],
    ["generate", "opt-125m", "float32", "16", "64", "3"],
    ["train", "llama-135m", "float32", "4", "128", "1", "4"], ["train", "llama-135m", "bfloat16", "4", "128", "1", "4"],
    ["generate", "llama-135m", "bfloat16", "16", "64", "3"],
    ["train", "gpt2", "float32", "4", "128", "1", "4"], ["train", "gpt2", "bfloat16", "4", "128", "1", "4"],
    ["generate", "gpt2", "bfloat16", "16", "64", "3"],
]


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


def measure(case, rounds):
    java = ["java", "-XX:+UseSerialGC", "-cp", java_classpath(), "org.peftjava.it.bench.StepBench", *case]
    python = [sys.executable, os.path.join(HERE, "bench_reference.py"), *case]
    sides = {"java": [], "python": []}
    for _ in range(rounds):
        sides["java"].append(line(run(java, {**os.environ, "GLIBC_TUNABLES": TUNABLES})[1]))
        sides["python"].append(line(run(python)[1]))
    best = {side: min(results, key=lambda r: r["median_s"]) for side, results in sides.items()}
    ratio = best["java"]["tokens_per_s"] / best["python"]["tokens_per_s"]
    memory = best["java"]["peak_mb"] / best["python"]["peak_mb"]
    return dict(case=case, ratio=round(ratio, 3), peak_ratio=round(memory, 3), **best)


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
    parser.add_argument("--only", default="")
    parser.add_argument("--out")
    options = parser.parse_args()
    rates = {dtype: line(run([sys.executable, os.path.join(HERE, "bench_reference.py"), "gemm", dtype])[1])["gflops"]
             for dtype in ("float32", "bfloat16")}
    results = []
    for case in CASES:
        if options.only in " ".join(case):
            result = measure(case, options.rounds)
            if "gflop" in result["java"]:
                result["share_of_gemm_limit"] = round(result["java"]["gflop"] / result["java"]["median_s"] / rates[case[2]], 3)
            results.append(result)
            print(" ".join(case[:3]), {k: v for k, v in result.items() if k not in ("case", "java", "python")},
                  [round(result[side]["tokens_per_s"], 1) for side in ("java", "python")], flush=True)
    if options.only in "startup":
        results.append(startup(options.rounds))
        print(results[-1], flush=True)
    if options.out:
        record = dict(machine=platform.processor() or platform.machine(), cores=os.cpu_count(), gemm_gflops=rates,
                      rounds=options.rounds, results=results)
        with open(options.out, "w") as file:
            json.dump(record, file, indent=1)


if __name__ == "__main__":
    main()
