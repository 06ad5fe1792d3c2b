"""golden/t5_distances.json: T5's class of each relative position where the largest distance is small, or null.

Rows {buckets, max, bidirectional, classes}: those of positions -29 to 29 seen from any token, of asked minus asking; without
the ones behind a token if they are not seen. null: the formula gives no row of the table, and looking it up is an error.
"""

import torch
from transformers.models.t5.modeling_t5 import T5Attention

from . import common

CASES = [(32, 16), (32, 12), (32, 8), (32, 7), (32, 1), (8, 3), (8, 2), (9, 2), (4, 1), (20, 6), (32, 128)]
FURTHEST = 29


def write(path):
    rows = []
    for buckets, furthest in CASES:
        for both in (True, False):
            positions = torch.arange(-FURTHEST, FURTHEST + 1 if both else 1)
            classes = T5Attention._relative_position_bucket(positions, both, buckets, furthest).tolist()
            rows.append(
                {
                    "buckets": buckets,
                    "max": furthest,
                    "bidirectional": both,
                    "classes": [c if 0 <= c < buckets else None for c in classes],
                }
            )
    path.write_text("[\n" + ",\n".join(common.json.dumps(row) for row in rows) + "\n]\n")


SECTIONS = {"t5_distances.json": write}
