#!/usr/bin/env python
"""Writes the golden data that the Java tests compare with, using the real PEFT and transformers.

    python gen_goldens.py OUT            every section
    python gen_goldens.py OUT opt_lora   only the sections whose name contains the word

OUT is created; a folder or file of a section that runs is replaced. The layout is described in
src/test/resources/golden/README.md. Versions: see `goldens.common.PINNED` (others are refused).
Runs on the CPU with one thread and takes about a minute. No network is used.
"""

import importlib
import os
import pkgutil
import sys


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    # Sets of strings are written in hash order by PEFT: fix the hash seed so that two runs give equal files.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import goldens
    from goldens import common

    common.prepare_process()
    out = common.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    words = sys.argv[2:]
    for found in pkgutil.iter_modules(goldens.__path__):
        module = importlib.import_module(f"goldens.{found.name}")
        for name, write in getattr(module, "SECTIONS", {}).items():
            if not words or any(word in name for word in words):
                common.run_section(out, name, write)


if __name__ == "__main__":
    main()
