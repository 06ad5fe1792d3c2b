"""golden/deberta_buckets.json: rows {buckets, max, classes}, DeBERTa's class of each distance from 0 on."""

import torch
from transformers.models.deberta_v2 import modeling_deberta_v2

from . import common

CASES = [(256, 512, 1300), (4, 20, 40), (6, 7, 20), (32, 128, 200), (-1, 9, 20), (50, 512, 600)]


def write(path):
    rows = []
    for buckets, furthest, count in CASES:
        tokens = torch.zeros(1, count, 1)
        classes = modeling_deberta_v2.build_relative_position(tokens, tokens, buckets, furthest)[0]
        assert torch.equal(classes, -classes.T)
        rows.append({"buckets": buckets, "max": furthest, "classes": classes[:, 0].tolist()})
    path.write_text("[\n" + ",\n".join(common.json.dumps(row) for row in rows) + "\n]\n")


SECTIONS = {"deberta_buckets.json": write}
