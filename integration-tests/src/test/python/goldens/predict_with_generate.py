"""golden/predict_with_generate.json: what transformers' Seq2SeqTrainer writes and says of t5_v10's model.

Runs {arguments, kwargs, loss, predictions}: `kwargs` of `predict`; `predictions` of the rows of train_arguments.json's seq2seq run in
one batch, cut behind their end, without the padding that Python adds.
"""

import contextlib
import io
import tempfile

import transformers
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

from . import common
from .train_arguments import GOLDEN, collate_for, rows

RUNS = [
    ({"generation_max_length": 9}, {}),
    ({"generation_max_length": 12, "generation_num_beams": 3}, {}),
    ({"generation_num_beams": 2, "label_smoothing_factor": 0.1}, {"max_new_tokens": 6}),
    ({"generation_max_length": 9}, {"max_length": 5, "do_sample": False}),
]


def run(arguments, kwargs):
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(GOLDEN / "t5_v10" / "model")
    data = rows("seq2seq", model.config.vocab_size)[:7]
    with tempfile.TemporaryDirectory() as scratch:
        settings = Seq2SeqTrainingArguments(
            output_dir=scratch, report_to=[], use_cpu=True, disable_tqdm=True, remove_unused_columns=False,
            per_device_eval_batch_size=7, predict_with_generate=True, **arguments,
        )
        trainer = Seq2SeqTrainer(model=model, args=settings, data_collator=collate_for(model, "seq2seq"))
        with contextlib.redirect_stdout(io.StringIO()):
            output = trainer.predict(data, **kwargs)
    predictions = []
    for row in output.predictions.tolist():
        tokens = [token for token in row if token != -100]
        while tokens and tokens[-1] == 0:
            tokens.pop()
        predictions.append(tokens)
    return {
        "arguments": arguments, "kwargs": kwargs, "rows": data, "loss": output.metrics["test_loss"],
        "predictions": predictions,
    }


def write(path):
    common.write_json(path, [run(*case) for case in RUNS])


SECTIONS = {"predict_with_generate.json": write}
