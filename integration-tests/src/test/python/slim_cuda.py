#!/usr/bin/env python3
"""Empties the machine code of other cards in a CUDA library, so that it travels compressed in a fraction of its size.

  slim_cuda.py LIBRARY COMPUTE_CAPABILITY    e.g. slim_cuda.py libtorch_cuda.so 90

The file keeps its layout: the driver picks an entry of a fat binary by its header, which stays, and never reads the others.
The layout of a fat binary is that of fatbinary_section.h in CUDA's toolkit: a header of 16 bytes (magic, version, size of the header,
size of the entries), then entries (kind, version, size of the header, size of the code; the capability at byte 28).
"""
import re
import struct
import subprocess
import sys

MAGIC = 0xBA55ED50
MACHINE_CODE = 2


def section(path):
    listing = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\s\.nv_fatbin\s+\S+\s+\S+\s+(\S+)\s+(\S+)", listing)
    if found is None:
        sys.exit(f"{path} has no section .nv_fatbin")
    return int(found[1], 16), int(found[2], 16)


def main(path, capability):
    offset, size = section(path)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    kept = emptied = 0
    at, end = offset, offset + size
    while at < end - 16:
        magic, _, header, length = struct.unpack_from("<IHHQ", data, at)
        if magic != MAGIC:
            at += 8
            continue
        entry, last = at + header, at + header + length
        while entry < last:
            kind, _, entry_header, code = struct.unpack_from("<HHIQ", data, entry)
            if kind == MACHINE_CODE and struct.unpack_from("<I", data, entry + 28)[0] == capability:
                kept += code
            else:
                data[entry + entry_header:entry + entry_header + code] = bytes(code)
                emptied += code
            entry += entry_header + code
        at = last
    if not kept:
        sys.exit(f"{path} has no machine code for compute capability {capability}; nothing changed")
    with open(path, "wb") as file:
        file.write(data)
    print(f"{path}: {kept / 1e6:.0f} MB for {capability} kept, {emptied / 1e6:.0f} MB emptied")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
