"""Which modules a LoraConfig selects: real injections into tiny models, errors and warnings included.

matching.json:
  models      name -> modelType, outputEmbeddings (or null), modules [{name, type}] in named_modules() order (the root
              has the empty name). Enough to build a stub module tree for an architecture that Java lacks.
  rows        {label, model, config} -> matched (names in injection order), modulesToSave, targetModules (as kept in the
              config after injection, sorted; or a string), layers {name -> r, alpha, scaling}, warnings; or error
              {type, message}.
  patternKeys {keys, name} -> key     get_pattern_key
  keysBehindDot {keys, name} -> key   what C3A and FourierFT do in place of it: the key whose value a real layer got
  minimal     {targets, others} -> result or error     _find_minimal_target_modules
"""

import copy
import warnings

from peft import C3AConfig, LoraConfig, get_peft_model
from peft.tuners.tuners_utils import _find_minimal_target_modules
from peft.utils import ModulesToSaveWrapper
from peft.utils.other import get_pattern_key
from torch import nn
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MT5Config,
    MT5ForConditionalGeneration,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from . import common


def build_models():
    encoder = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    seq2seq = dict(vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
    return {
        "opt": common.tiny_opt(),
        "opt_untied": common.tiny_opt(tie_word_embeddings=False),
        "opt_12_layers": common.tiny_opt(num_hidden_layers=12),
        "gpt2": GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32)),
        "llama": LlamaForCausalLM(
            LlamaConfig(vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
                        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)
        ),
        "t5": T5ForConditionalGeneration(T5Config(**seq2seq)),
        "mt5": MT5ForConditionalGeneration(MT5Config(**seq2seq)),
        "bert_seqcls": BertForSequenceClassification(BertConfig(**encoder, num_labels=3)),
        "bert_tokcls": BertForTokenClassification(BertConfig(**encoder, num_labels=3)),
        "bert_qa": BertForQuestionAnswering(BertConfig(**encoder)),
        "roberta_seqcls": RobertaForSequenceClassification(RobertaConfig(**encoder, num_labels=3)),
        "sequential": nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.Sequential(nn.Linear(6, 7))),
        "heads": Heads(),
    }


class Heads(nn.Module):
    """Two children of which one name ends with the other: modules_to_save has no dot boundary."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.subhead = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.subhead(self.body(x)))


CAUSAL = {"task_type": "CAUSAL_LM"}
Q, QV = ["q_proj"], ["q_proj", "v_proj"]
FULL_Q0 = "model.decoder.layers.0.self_attn.q_proj"
FC = ["fc1", "fc2"]


def every(name, layers):
    return [f"model.decoder.layers.{i}.self_attn.{name}" for i in range(layers)]


# label, model, config
ROWS = [
    ("list suffix", "opt", {"target_modules": Q}),
    ("list partial name not at a dot boundary", "opt", {"target_modules": ["proj"]}),
    ("list 'attn.q_proj' not at a dot boundary", "opt", {"target_modules": ["attn.q_proj"]}),
    ("list 'self_attn.q_proj'", "opt", {"target_modules": ["self_attn.q_proj"]}),
    ("list full path", "opt", {"target_modules": [FULL_Q0]}),
    ("list full path with base_model prefix", "opt", {"target_modules": ["base_model.model." + FULL_Q0]}),
    ("list entry that looks like a regex", "opt", {"target_modules": [".*q_proj"]}),
    ("two entries", "opt", {"target_modules": QV}),
    ("entries that overlap", "opt", {"target_modules": ["q_proj", "self_attn.q_proj", FULL_Q0]}),
    ("one entry matches, one does not", "opt", {"target_modules": ["q_proj", "nothing"]}),
    ("plain string needs a full match", "opt", {"target_modules": "q_proj"}),
    ("regex .*q_proj", "opt", {"target_modules": ".*q_proj"}),
    ("regex with a group", "opt", {"target_modules": ".*(q|v)_proj$"}),
    ("regex without prefix", "opt", {"target_modules": "q_proj$"}),
    ("regex with layer numbers", "opt_12_layers", {"target_modules": r".*\.layers\.(0|1[01])\.self_attn\.q_proj"}),
    ("regex that is not valid", "opt", {"target_modules": "(q_proj"}),
    ("all-linear", "opt", {"target_modules": "all-linear"}),
    ("all-linear in capitals", "opt", {"target_modules": "ALL-LINEAR"}),
    ("all-linear inside a list", "opt", {"target_modules": ["all-linear"]}),
    ("all-linear, untied head", "opt_untied", {"target_modules": "all-linear"}),
    ("all-linear with exclude list", "opt", {"target_modules": "all-linear", "exclude_modules": FC}),
    ("all-linear gpt2", "gpt2", {"target_modules": "all-linear"}),
    ("all-linear llama", "llama", {"target_modules": "all-linear"}),
    ("all-linear t5", "t5", {"target_modules": "all-linear", "task_type": "SEQ_2_SEQ_LM"}),
    ("all-linear bert SEQ_CLS leaves the classifier", "bert_seqcls",
     {"target_modules": "all-linear", "task_type": "SEQ_CLS"}),
    ("all-linear bert without task type", "bert_seqcls", {"target_modules": "all-linear", "task_type": None}),
    ("all-linear bert TOKEN_CLS", "bert_tokcls", {"target_modules": "all-linear", "task_type": "TOKEN_CLS"}),
    ("all-linear bert QUESTION_ANS", "bert_qa", {"target_modules": "all-linear", "task_type": "QUESTION_ANS"}),
    ("all-linear sequential", "sequential", {"target_modules": "all-linear", "task_type": None}),
    ("empty list", "opt", {"target_modules": []}),
    ("none on an unknown model", "sequential", {"target_modules": None, "task_type": None}),
    ("digit name of a Sequential", "sequential", {"target_modules": ["0"], "task_type": None}),
    ("digit name of a nested Sequential", "sequential", {"target_modules": ["3.0"], "task_type": None}),
    ("ReLU is not supported", "sequential", {"target_modules": ["1"], "task_type": None}),
    ("exclude list", "opt", {"target_modules": QV, "exclude_modules": [FULL_Q0]}),
    ("exclude suffix", "opt", {"target_modules": QV, "exclude_modules": ["v_proj"]}),
    ("exclude suffix with layer", "opt", {"target_modules": QV, "exclude_modules": ["0.self_attn.q_proj"]}),
    ("exclude regex", "opt", {"target_modules": QV, "exclude_modules": r".*v_proj|.*layers\.0\..*"}),
    ("exclude as plain string needs a full match", "opt", {"target_modules": QV, "exclude_modules": "v_proj"}),
    ("exclude never matches", "opt", {"target_modules": Q, "exclude_modules": ["nope"]}),
    ("exclude everything targeted", "opt", {"target_modules": Q, "exclude_modules": Q}),
    ("exclude everything", "opt", {"target_modules": Q, "exclude_modules": ".*"}),
    ("exclude beats an exact target", "opt", {"target_modules": [FULL_Q0, "v_proj"], "exclude_modules": [FULL_Q0]}),
    ("exclude with a regex target", "opt", {"target_modules": ".*_proj", "exclude_modules": ["k_proj", "out_proj"]}),
    ("layers_to_transform int", "opt", {"target_modules": Q, "layers_to_transform": 1}),
    ("layers_to_transform list", "opt", {"target_modules": ["q_proj", "fc1"], "layers_to_transform": [0]}),
    ("layers_to_transform with pattern", "opt",
     {"target_modules": Q, "layers_to_transform": [1], "layers_pattern": "layers"}),
    ("layers_to_transform with a list of patterns", "opt",
     {"target_modules": Q, "layers_to_transform": [1], "layers_pattern": ["h", "layers"]}),
    ("layers_pattern empty string", "opt", {"target_modules": Q, "layers_to_transform": [1], "layers_pattern": ""}),
    ("layers_pattern wrong", "opt", {"target_modules": Q, "layers_to_transform": [1], "layers_pattern": "h"}),
    ("layers_pattern part of a name", "opt",
     {"target_modules": Q, "layers_to_transform": [1], "layers_pattern": "ayers"}),
    ("layers_pattern without layers_to_transform", "opt", {"target_modules": Q, "layers_pattern": "layers"}),
    ("layers_to_transform does not filter a full path", "opt",
     {"target_modules": [FULL_Q0], "layers_to_transform": [1]}),
    ("layers_to_transform with full path and suffix", "opt",
     {"target_modules": [FULL_Q0, "v_proj"], "layers_to_transform": [1]}),
    ("layers_to_transform empty list is no filter", "opt", {"target_modules": Q, "layers_to_transform": []}),
    ("layers_to_transform out of range", "opt", {"target_modules": Q, "layers_to_transform": [9]}),
    ("layers_to_transform of two digits", "opt_12_layers", {"target_modules": Q, "layers_to_transform": [1, 10]}),
    ("layers_to_transform with a string target", "opt", {"target_modules": ".*q_proj", "layers_to_transform": [0]}),
    ("layers_pattern with a string target", "opt", {"target_modules": ".*q_proj", "layers_pattern": "layers"}),
    ("layers_to_transform leaves modules outside layers", "opt_untied",
     {"target_modules": ["q_proj", "lm_head"], "layers_to_transform": [0]}),
    ("exclude and layers_to_transform", "opt",
     {"target_modules": ["q_proj", "v_proj", "fc1"], "layers_to_transform": [0, 1],
      "exclude_modules": ["0.self_attn.q_proj", "fc1"]}),
    ("exclude removes the only transformed layer", "opt",
     {"target_modules": Q, "layers_to_transform": [1], "exclude_modules": r".*layers\.1\..*"}),
    ("all-linear and layers_to_transform", "opt", {"target_modules": "all-linear", "layers_to_transform": [0]}),
    ("gpt2 h.1 only", "gpt2", {"target_modules": ["c_attn"], "layers_to_transform": 1, "layers_pattern": "h"}),
    ("modules_to_save overlaps a target", "opt",
     {"target_modules": ["q_proj", "lm_head"], "modules_to_save": ["lm_head"]}),
    ("modules_to_save excludes its children", "opt",
     {"target_modules": ["q_proj", "fc1"], "modules_to_save": ["self_attn"]}),
    ("modules_to_save untied head", "opt_untied", {"target_modules": Q, "modules_to_save": ["lm_head"]}),
    ("modules_to_save has no dot boundary", "heads",
     {"target_modules": ["body"], "modules_to_save": ["head"], "task_type": None}),
    ("modules_to_save that does not exist", "opt", {"target_modules": Q, "modules_to_save": ["nowhere"]}),
    ("LayerNorm is not supported", "opt", {"target_modules": ["self_attn_layer_norm"]}),
    ("container is not supported", "opt", {"target_modules": ["self_attn"]}),
    ("embedding", "opt_untied", {"target_modules": ["embed_tokens"]}),
    ("embedding of positions", "opt_untied", {"target_modules": ["embed_positions"]}),
    ("head of a tied model", "opt", {"target_modules": ["lm_head"]}),
    ("rank_pattern", "opt",
     {"target_modules": QV, "rank_pattern": {"v_proj": 2, "layers.0.self_attn.q_proj": 3},
      "alpha_pattern": {"^model.decoder.layers.1.self_attn.q_proj": 9}}),
    ("rank_pattern: the first key wins", "opt",
     {"target_modules": QV, "rank_pattern": {".*_proj": 2, "q_proj": 3}, "alpha_pattern": {"q_proj": 5, ".*": 6}}),
    ("rank_pattern with rslora", "opt",
     {"target_modules": QV, "use_rslora": True, "rank_pattern": {"q_proj": 9}, "alpha_pattern": {"v_proj": 6}}),
    ("rank_pattern key that matches nothing", "opt", {"target_modules": Q, "rank_pattern": {"zzz": 2}}),
    ("alpha_pattern key that matches nothing", "opt",
     {"target_modules": Q, "alpha_pattern": {"fc1": 2, "q_proj": 3}}),
    ("rank_pattern key of a partial name", "opt", {"target_modules": Q, "rank_pattern": {"proj": 2}}),
    ("twenty entries are reduced", "opt_12_layers", {"target_modules": every("q_proj", 12) + every("v_proj", 12)}),
    ("nineteen entries are kept", "opt_12_layers", {"target_modules": every("q_proj", 12) + every("v_proj", 7)}),
    ("twenty entries that cannot become one suffix", "opt_12_layers",
     {"target_modules": every("q_proj", 11) + every("v_proj", 10)}),
    ("fan_in_fan_out on Linear", "opt", {"target_modules": Q, "fan_in_fan_out": True}),
    ("fan_in_fan_out false on Conv1D", "gpt2", {"target_modules": ["c_attn"], "fan_in_fan_out": False}),
    ("bias that does not exist", "opt", {"target_modules": Q, "bias": "foo"}),
    ("unknown initialization", "opt", {"target_modules": Q, "init_lora_weights": "foo"}),
    ("default targets of opt", "opt", {}),
    ("default targets of gpt2", "gpt2", {}),
    ("default targets of llama", "llama", {}),
    ("default targets of t5", "t5", {"task_type": "SEQ_2_SEQ_LM"}),
    ("default targets of mt5", "mt5", {"task_type": "SEQ_2_SEQ_LM"}),
    ("default targets of bert", "bert_seqcls", {"task_type": "SEQ_CLS"}),
    ("default targets of bert TOKEN_CLS", "bert_tokcls", {"task_type": "TOKEN_CLS"}),
    ("default targets of bert QUESTION_ANS", "bert_qa", {"task_type": "QUESTION_ANS"}),
    ("default targets of roberta", "roberta_seqcls", {"task_type": "SEQ_CLS"}),
]

PATTERN_KEYS = [
    (["q_proj"], "model.layers.0.q_proj"),
    (["^q_proj"], "model.layers.0.q_proj"),
    (["layers.0.q_proj"], "model.layers.0.q_proj"),
    (["layers.*.q_proj"], "model.layers.0.q_proj"),
    (["proj"], "model.layers.0.q_proj"),
    ([".*proj"], "model.layers.0.q_proj"),
    (["^model.layers.0.q_proj"], "model.layers.0.q_proj"),
    (["foo", "foo.foo"], "foo.foo"),
    (["^foo", "foo"], "bar.foo"),
    ([r"(0|1)\.q_proj"], "model.layers.0.q_proj"),
    ([r"layers\.(0|1)\.q_proj"], "model.layers.0.q_proj"),
    (["0.q_proj"], "model.layers.10.q_proj"),
    (["layersX0.q_proj", "layers.0.q_proj"], "model.layersX0.q_proj"),
    (["foo.foo", "foo"], "foo.foo"),
    (["^foo"], "foo"),
    (["a|b"], "x.b"),
    (["a|b"], "x.ab"),
    ([], "x.y"),
    (["x.y$"], "x.y"),
    ([r"layers\.\d+\.fc[12]"], "model.layers.13.fc2"),
    (["model.layers.0.q_proj"], "base.model.layers.0.q_proj"),
]


KEYS_BEHIND_DOT = [
    ["q_proj"],
    ["^q_proj"],
    ["proj"],
    [".*proj"],
    ["^model.decoder.layers.0.self_attn.q_proj"],
    [FULL_Q0],
    [FULL_Q0 + "$"],
    ["decoder.layers.0.self_attn.q_proj"],
    [r"\d+\.self_attn\.(q|v)_proj", "q_proj"],
    ["nothing", "self_attn.q_proj", "q_proj"],
    ["k_proj|q_proj"],
    ["q_proj|k_proj"],
    ["1.self_attn.q_proj", "layers.*.q_proj"],
]


def key_behind_dot(keys):
    """The key that decides about the first query layer of a model with C3A, or its path."""
    sizes = {key: 2**i for i, key in enumerate(keys)}
    config = C3AConfig(target_modules=["q_proj"], block_size=16, block_size_pattern=sizes)
    layer = get_peft_model(common.tiny_opt(), config).base_model.model.get_submodule(FULL_Q0)
    found = [key for key, size in sizes.items() if layer.c3a_kernel["default"].shape[-1] == size]
    return found[0] if found else FULL_Q0


def minimal_rows():
    encoder = [f"model.encoder.layers.{i}.self_attn.k_proj" for i in range(12)]
    q, v = every("q_proj", 12), every("v_proj", 12)
    return [
        (q + v, encoder),
        (q, ["model.encoder.layers.0.self_attn.q_proj"]),
        (every("q_proj", 3), ["model.decoder.layers.3.self_attn.q_proj", "lm_head"]),
        (["foo.bar"], ["bar"]),
        (["foo.bar", "bar"], ["baz.bar"]),
        (["a.b.c", "x.b.c", "c"], ["y.c"]),
        (["a.b.c", "x.b.c"], ["y.c", "b.c"]),
        (["1", "2"], ["3"]),
        (["block.0.lin", "block.10.lin"], ["block.1.lin", "block.11.lin"]),
        (["a"], ["a"]),
        (["a", ""], ["b"]),
        ([], ["b"]),
    ]


def describe_model(model):
    config = getattr(model, "config", None)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    names = {module: name for name, module in model.named_modules()}
    return {
        "modelType": getattr(config, "model_type", None),
        "tieWordEmbeddings": getattr(config, "tie_word_embeddings", None),
        "outputEmbeddings": names.get(head) if head is not None else None,
        "modules": [
            {"name": name, "type": type(module).__name__} | sizes(module) for name, module in model.named_modules()
        ],
    }


def sizes(module):
    if isinstance(module, nn.Linear):
        return {"in": module.in_features, "out": module.out_features, "bias": module.bias is not None}
    if isinstance(module, nn.Embedding):
        return {"in": module.num_embeddings, "out": module.embedding_dim}
    if type(module).__name__ == "Conv1D":
        return {"in": module.nx, "out": module.nf, "bias": True}
    return {}


def run_row(label, model_name, config, models):
    kwargs = {**CAUSAL, "r": 4, "lora_alpha": 10, **config}
    row = {"label": label, "model": model_name, "config": kwargs}
    model = copy.deepcopy(models[model_name])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            peft_model = get_peft_model(model, LoraConfig(**kwargs))
        except Exception as error:
            row["error"] = {"type": type(error).__name__, "message": str(error)}
            return row
    kept = peft_model.peft_config["default"].target_modules
    layers = {n: m for n, m in model.named_modules() if hasattr(m, "lora_A")}
    row["matched"] = peft_model.base_model.targeted_module_names
    row["modulesToSave"] = [n for n, m in model.named_modules() if isinstance(m, ModulesToSaveWrapper)]
    row["targetModules"] = kept if isinstance(kept, str) else sorted(kept)
    row["layers"] = {
        n: {"r": m.r["default"], "alpha": m.lora_alpha["default"], "scaling": m.scaling["default"]}
        for n, m in layers.items()
    }
    row["warnings"] = [
        str(w.message) for w in caught if "Deprecat" not in w.category.__name__
    ]
    return row


def run_minimal(targets, others):
    row = {"targets": targets, "others": others}
    try:
        row["result"] = sorted(_find_minimal_target_modules(targets, others))
    except ValueError as error:
        row["error"] = {"type": "ValueError", "message": str(error)}
    return row


def write(path):
    models = build_models()
    common.write_json(
        path,
        {
            "versions": common.versions(),
            "note": "config: the keyword arguments of LoraConfig",
            "models": {name: describe_model(model) for name, model in models.items()},
            "rows": [run_row(*row, models) for row in ROWS],
            "patternKeys": [{"keys": k, "name": n, "key": get_pattern_key(k, n)} for k, n in PATTERN_KEYS],
            "keysBehindDot": [{"keys": k, "name": FULL_Q0, "key": key_behind_dot(k)} for k in KEYS_BEHIND_DOT],
            "minimal": [run_minimal(*row) for row in minimal_rows()],
        },
    )


SECTIONS = {"matching.json": write}
