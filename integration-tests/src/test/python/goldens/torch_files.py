"""Files of torch.save: both forms, every dtype, views and shared storages, shards, an adapter, names that are refused."""

import collections

import torch
from huggingface_hub import save_torch_state_dict
from peft import get_peft_model
from safetensors.torch import save_file

from . import common
from .lora_opt import QV, UNTIED, lora
from .safetensors_files import mixed


def state():
    generator = torch.Generator().manual_seed(47)
    base = torch.randn((6, 5), generator=generator)
    shared = torch.randn((4, 3), generator=generator)
    tensors = collections.OrderedDict(mixed())
    tensors["transposed"] = base.t()
    tensors["middle_rows"] = base[2:5]
    tensors["one_column"] = base[:, 3]
    tensors["every_other"] = base[::2, 1::2]
    tensors["permuted"] = torch.randn((2, 3, 4), generator=generator).permute(2, 0, 1)
    tensors["embed.weight"] = shared
    tensors["head.weight"] = shared
    tensors["parameter"] = torch.nn.Parameter(torch.randn((3, 2), generator=generator))
    tensors["empty_rows"] = torch.zeros((3, 0, 2))
    return tensors


def with_other_values():
    """What a state dict may hold besides tensors."""
    values = state()
    values._metadata = collections.OrderedDict({"": {"version": 1}})
    values["a size"] = torch.Size([2, 3])
    values["a dtype"] = torch.bfloat16
    values["an extra state"] = {"numbers": [1, -2, 2**40, 2.5, True, None], "pair": ("x", 7)}
    return values


class Evil:
    def __reduce__(self):
        return eval, ("1 + 1",)


def write(folder):
    folder.mkdir(parents=True)
    save_file({k: v.detach().clone().contiguous() for k, v in state().items()}, str(folder / "expected.safetensors"))
    torch.save(with_other_values(), folder / "zip.bin")
    torch.save(with_other_values(), folder / "protocol4.bin", pickle_protocol=4)
    torch.save(with_other_values(), folder / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"w": torch.tensor([1.5, -2.0]), "evil": Evil()}, folder / "evil.bin")
    torch.save({"w": torch.tensor([1.5, -2.0]), "evil": Evil()}, folder / "evil_legacy.bin",
               _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), folder / "module.bin")
    torch.save({"model": {"w": torch.tensor([1.5, -2.0])}, "step": 3}, folder / "nested.bin")
    (folder / "sharded").mkdir()
    model = common.tiny_opt()
    model.config.save_pretrained(folder / "sharded")
    weights = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_torch_state_dict(weights, folder / "sharded", safe_serialization=False, max_shard_size="8KB")
    assert len(list((folder / "sharded").glob("pytorch_model-*.bin"))) >= 3
    adapted = get_peft_model(common.tiny_opt(), lora(target_modules=["q_proj", "v_proj"]))
    common.fill_trainable(adapted)
    adapted.save_pretrained(folder / "adapter", safe_serialization=False)
    assert (folder / "adapter" / "adapter_model.bin").exists()
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    saved = get_peft_model(common.tiny_opt(**UNTIED), lora(target_modules=QV, modules_to_save=["lm_head"]))
    common.fill_trainable(saved)
    saved.save_pretrained(folder / "modules_to_save", safe_serialization=False)
    (folder / "modules_to_save" / "README.md").unlink(missing_ok=True)


SECTIONS = {"torch_files": write}
