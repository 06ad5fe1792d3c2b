"""Safetensors files as the reference writes them: mixed dtypes, header bytes, a sharded checkpoint."""

import json
import struct

import torch
from peft import get_peft_model
from safetensors.torch import save_file

from . import common
from .lora_opt import lora


def mixed():
    generator = torch.Generator().manual_seed(31)
    numbers = torch.randn((3, 4), generator=generator)
    return {
        "z_float": numbers,
        "a_bfloat": (numbers * 3).to(torch.bfloat16),
        "half": (numbers * 5).to(torch.float16),
        "double": numbers.double(),
        "long": torch.tensor([[1, -2], [2**40, -(2**40)]]),
        "int": torch.tensor([7, -7], dtype=torch.int32),
        "byte": torch.tensor([0, 127, 255], dtype=torch.uint8),
        "flags": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros((0, 3)),
    }


def write(folder):
    folder.mkdir(parents=True)
    tensors = mixed()
    save_file(tensors, str(folder / "mixed_dtypes.safetensors"), metadata={"format": "pt"})
    # One metadata entry per file: with more, the order in the header is random.
    unicode_name = {"na\u00efve \"weight\"": torch.tensor([1.5, -2.0])}
    save_file(unicode_name, str(folder / "unicode.safetensors"), metadata={"note": "caf\u00e9 \n\u4f60"})
    save_file({"only": torch.tensor([1.5, -2.0])}, str(folder / "no_metadata.safetensors"))
    model = get_peft_model(common.tiny_opt(), lora(target_modules=["q_proj", "v_proj"]))
    common.fill_trainable(model)
    model.save_pretrained(folder / "adapter")
    common.tiny_opt().save_pretrained(folder / "sharded", max_shard_size="8KB")
    shards = sorted(f.name for f in (folder / "sharded").glob("*.safetensors"))
    assert len(shards) >= 3, shards
    common.write_json(
        folder / "headers.json",
        {
            "versions": common.versions(),
            "note": "header: the JSON text of the file's header without its padding; hexPrefix: first 64 bytes; "
            "headerLength: the u64 at the start (header padded with spaces to a multiple of 8)",
            "files": [
                header(folder, "mixed_dtypes.safetensors"),
                header(folder, "no_metadata.safetensors"),
                header(folder, "unicode.safetensors"),
                header(folder, "adapter/adapter_model.safetensors"),
                *[header(folder, f"sharded/{name}") for name in shards[:2]],
            ],
            "mixed": {
                name: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape),
                       "values": t.flatten().tolist()}
                for name, t in tensors.items()
            },
        },
    )


def header(folder, name):
    content = (folder / name).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    text = content[8 : 8 + length].decode()
    json.loads(text)
    return {"file": name, "headerLength": length, "fileLength": len(content), "hexPrefix": content[:64].hex(),
            "header": text.rstrip(" ")}


SECTIONS = {"safetensors": write}
