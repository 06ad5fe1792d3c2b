#!/usr/bin/env python3
"""What adapters cost, Python's side: one measurement a process, one JSON line each; the twin of AdapterBench.java.

  bench_adapters.py write <folder> <model> <dtype> <targets>         an adapter with random values, as a folder to load
  bench_adapters.py <what> <model> <dtype> <targets> <repetitions> [...]

Measurements and their arguments are AdapterBench's.
"""
import json
import sys
import time

import bench_reference as reference

ROWS = 8


class Bench:
    def __init__(self, name, dtype, targets, repetitions=1, dropout=0.0):
        self.torch, self.base = reference.build(name, dtype)
        from peft import LoraConfig, get_peft_model
        self.lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=float(dropout), init_lora_weights=False,
                               task_type="CAUSAL_LM",
                               target_modules="all-linear" if targets == "all" else ["q_proj", "v_proj"])
        self.model = get_peft_model(self.base, self.lora)
        self.model.eval()
        self.repetitions = int(repetitions)
        self.times = {}
        self.about = dict(model=name, dtype=dtype)

    def in_turn(self, **works):
        for name in works:
            self.times[name] = []
        for i in range(-3, self.repetitions):
            for name, work in works.items():
                start = time.perf_counter()
                work()
                if i >= 0:
                    self.times[name].append(time.perf_counter() - start)

    def report(self, what):
        line = dict(side="python", bench=what, **self.about)
        for name, times in self.times.items():
            times.sort()
            line |= {name + "_s": times[len(times) // 2], name + "_min_s": times[0]}
        print(json.dumps(line))

    def load(self, folder):
        self.times["load"] = []
        for i in range(-3, self.repetitions):
            start = time.perf_counter()
            self.model.load_adapter(folder, adapter_name="other")
            if i >= 0:
                self.times["load"].append(time.perf_counter() - start)
            self.model.delete_adapter("other")

    def switch(self):
        self.model.add_adapter("other", self.lora)
        names = iter(["other", "default"] * (self.repetitions + 3))
        self.in_turn(switch=lambda: self.model.set_adapter(next(names)))

    def hundred(self, new):
        ids = self.rows(1, 16)
        self.add_adapters(2)
        self.in_turn(two=lambda: self.decode_once(ids, new))
        self.add_adapters(100)
        self.in_turn(hundred=lambda: self.decode_once(ids, new))

    def mixed(self, tokens):
        names = self.add_adapters(ROWS)
        ids = self.rows(ROWS, int(tokens))
        self.in_turn(base=lambda: self.plain(lambda: self.forward(ids)), single=lambda: self.forward(ids),
                     named=lambda: self.forward(ids, adapter_names=["default"] * ROWS),
                     mixed=lambda: self.forward(ids, adapter_names=names))

    def decode(self, new):
        names = self.add_adapters(ROWS)
        ids = self.rows(ROWS, 16)
        self.in_turn(base=lambda: self.plain(lambda: self.decode_once(ids, new)),
                     single=lambda: self.decode_once(ids, new),
                     mixed=lambda: self.decode_once(ids, new, adapter_names=names))

    def step(self, rows, tokens, dropout):
        self.model.train()
        ids = self.rows(int(rows), int(tokens))
        self.in_turn(base=lambda: self.plain(lambda: self.forward_backward(ids)),
                     lora=lambda: self.forward_backward(ids))

    def plain(self, work):
        with self.model.disable_adapter():
            work()

    def add_adapters(self, count):
        names = ["default"] + ["a%d" % i for i in range(1, count)]
        for name in names:
            if name not in self.model.peft_config:
                self.model.add_adapter(name, self.lora)
        self.model.eval()
        return names

    def rows(self, count, tokens):
        return self.torch.randint(3, self.base.config.vocab_size, (count, tokens))

    def forward(self, ids, **more):
        with self.torch.no_grad():
            self.model(input_ids=ids, logits_to_keep=1, use_cache=False, **more)

    def decode_once(self, ids, new, **more):
        self.model.generate(input_ids=ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=int(new),
                            min_new_tokens=int(new), do_sample=False, **more)

    def forward_backward(self, ids):
        with self.torch.no_grad():
            embeds = self.base.get_input_embeddings()(ids)
        embeds.requires_grad_(True)
        loss = self.model(inputs_embeds=embeds, labels=ids, use_cache=False).loss
        loss.backward()
        self.model.zero_grad()
        return loss.item()


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "write":
        folder, *shape = arguments
        model = Bench(*shape).model
        model.peft_config["default"].init_lora_weights = True  # as most adapters say
        model.save_pretrained(folder)
        return
    bench = Bench(*arguments[:4], dropout=arguments[6] if what == "step" else 0)
    getattr(bench, what)(*arguments[4:])
    bench.report(what)


if __name__ == "__main__":
    main()
