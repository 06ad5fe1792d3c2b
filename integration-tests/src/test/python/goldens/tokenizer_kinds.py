"""Tiny tokenizers of every kind, trained here, in the files that models ship, with what transformers makes of them.

Each folder `tokenizer_kinds/NAME` holds the files of a model (`vocab.txt`, `tokenizer.model`, ...), `saved.json` (the
tokenizer.json that transformers builds from them) and `expected.json`: one row for each text of `texts.json`.
"""

import base64
import json

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import AddedToken as Added
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from . import common, tokenizer

CORPUS = tokenizer.CORPUS + """
\u6a21\u578b\u7684\u6743\u91cd\u662f\u56fa\u5b9a\u7684\uff0c\u53ea\u8bad\u7ec3\u5f88\u5c0f\u7684\u90e8\u5206\u3002\u4f60\u597d\uff0c\u4e16\u754c\uff01
\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\u3002\u30e2\u30c7\u30eb\u306e\u91cd\u307f\u306f\u305d\u306e\u307e\u307e\u3067\u3059\u3002
\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0627\u0644\u0646\u0645\u0648\u0630\u062c
\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u0939\u093f\u0928\u094d\u0926\u0940
\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01
\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4 \ubaa8\ub378
\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0412\u0435\u0441\u0430 \u043c\u043e\u0434\u0435\u043b\u0438.
"""

TEXTS = [
    "",
    " ",
    "    ",
    "\t\n \n\n\t",
    "The weight stays where it is.",
    "  two leading,  two inner and two trailing  ",
    "THE Weight StayS; it's They'll don'T 2023 50,272",
    "Caf\u00e9 cr\u00e8me br\u00fbl\u00e9e Z\u00dcRICH \u00c5ngstr\u00f6m \u0130stanbul stra\u00dfe",
    "cafe\u0301 \ufb01ne \uff21\uff22\uff11 \u2460 \u00bd \u212b",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u6a21\u578bmodel\u6a21\u578b \U00020000",
    "\u3053\u3093\u306b\u3061\u306f\u3001\u30e2\u30c7\u30eb \uff76\uff9e\uff7d",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0660\u0661\u0662",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "\uc548\ub155\ud558\uc138\uc694 \u110b\u1161\u11ab\u1102\u1167\u11bc",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0451\u0439",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e8\U0001f1ed \u2764\ufe0f",
    "a\u0000b\u0001\u001f\u007f\u0085c\ufffd\u200b\ufeffd",
    "line one\nline two\r\n\tindented  \n\n\nend\n",
    "non\u00a0breaking\u2003em\u3000wide\u2028sep",
    "under_score __init__(self) -> x[0] += {1: '2'}; // `a` ~ $b",
    "ab" * 20,
    "x" * 30 + "\u00e9" * 12,
    "\u2581already\u2581there \u2581",
    "a</s>b <pad> <s>x</s> </s > <unk> [CLS] [MASK]. <mask>, <extra_id_0><extra_id_5> <|im_start|>",
    "  <mask>  and [MASK]  <tool>here tooled <TOOL> \t<sym>  x",
    "</s>",
    "<0x41><0x0A> <bos> <eos> <start_of_turn>user",
]

PAIRS = [["The weight", "stays where it is."], ["", "only the second"], ["\u4f60\u597d", " caf\u00e9 "]]
LONG = ["The adapter learns a small correction for a large frozen weight.", "The rank \u4f60\u597d is often enough, \U0001f600 caf\u00e9!"]


def char_pieces():
    return sorted({c for text in CORPUS for c in text if not c.isspace()})


def bert(folder, lower, **config):
    """vocab.txt, trained on text as the normalizer leaves it."""
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=lower)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    trained.train_from_iterator([CORPUS], trainer)
    vocab = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in vocab))
    write_config(folder, "BertTokenizer", **config)


def byte_level(folder, special):
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    trained.train_from_iterator([CORPUS], trainer)
    model = json.loads(trained.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"]))


def roberta(folder):
    byte_level(folder, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": True,
            "single_word": False}
    write_config(folder, "RobertaTokenizer", mask_token=mask, model_max_length=512)


def roberta_prefix(folder):
    byte_level(folder, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    write_json(folder / "config.json", {"model_type": "roberta"})
    write_json(folder / "tokenizer_config.json", {"add_prefix_space": True, "trim_offsets": False})
    write_json(folder / "special_tokens_map.json", {
        "mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}})


def qwen2(folder):
    byte_level(folder, [])
    size = len(json.loads((folder / "vocab.json").read_text()))
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    flags = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    decoder = {str(size + i): {"content": name, "special": True, **flags} for i, name in enumerate(names)}
    decoder[str(size + 3)] = {"content": "<tool>", "special": False, "lstrip": False, "rstrip": True,
                              "normalized": False, "single_word": False}
    write_config(folder, "Qwen2Tokenizer", add_prefix_space=False, added_tokens_decoder=decoder, bos_token=None,
                 eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None, model_max_length=131072,
                 additional_special_tokens=["<|im_start|>", "<|im_end|>"], clean_up_tokenization_spaces=False)


def added_json(folder):
    """The old form: added_tokens.json and special_tokens_map.json beside vocab.json."""
    byte_level(folder, ["<|endoftext|>"])
    size = len(json.loads((folder / "vocab.json").read_text()))
    write_json(folder / "added_tokens.json", {"<tool>": size + 1, "<sym>": size, "<pad>": size + 2})
    write_json(folder / "special_tokens_map.json", {"pad_token": "<pad>", "bos_token": "<|endoftext|>"})
    write_config(folder, "GPT2Tokenizer", add_bos_token=True, truncation_side="left")


def spm(folder, name, model_type, size, **arguments):
    """A SentencePiece model; `rules` is a small normalization table instead of the large one of nmt_nfkc."""
    rules = arguments.pop("rules", None)
    text = folder / "corpus.txt"
    text.write_text(CORPUS)
    if rules:
        (folder / "rules.tsv").write_text("".join(rules))
        arguments["normalization_rule_tsv"] = str(folder / "rules.tsv")
    else:
        arguments["normalization_rule_name"] = "identity"
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "spm"), model_type=model_type, vocab_size=size,
        character_coverage=1.0 if model_type == "unigram" else 0.99, minloglevel=2, num_threads=1,
        hard_vocab_limit=False, **arguments)
    (folder / "spm.model").rename(folder / name)
    for extra in ("spm.vocab", "corpus.txt", "rules.tsv"):
        (folder / extra).unlink(missing_ok=True)


RULES = ["FB01\t66 69\n", "FF21\t41\n", "FF22\t42\n", "FF11\t31\n", "212B\tC5\n", "65 301\tE9\n", "A0\t20\n",
         "3000\t20\n", "2003\t20\n", "9\t20\n", "A\t20\n", "D\t20\n", "BD\t31 2044 32\n", "200B\t20\n"]


def t5(folder):
    spm(folder, "spiece.model", "unigram", 420, rules=RULES, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    write_config(folder, "T5Tokenizer", extra_ids=100, eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
                 additional_special_tokens=[f"<extra_id_{i}>" for i in range(100)], model_max_length=512)


def mt5(folder):
    """As mT5 ships it: the class only in config.json, no extra ids, byte pieces of the vocabulary unused."""
    spm(folder, "spiece.model", "unigram", 640, rules=RULES, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        byte_fallback=True)
    write_json(folder / "config.json", {"model_type": "mt5"})
    write_json(folder / "tokenizer_config.json", {"extra_ids": 0, "eos_token": "</s>"})


def llama(folder):
    spm(folder, "tokenizer.model", "bpe", 620, byte_fallback=True, add_dummy_prefix=True,
        remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True)
    flags = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    write_config(folder, "LlamaTokenizer", add_bos_token=True, add_eos_token=False, legacy=False, model_max_length=2048,
                 bos_token={"content": "<s>", **flags}, eos_token={"content": "</s>", **flags},
                 unk_token={"content": "<unk>", **flags}, pad_token=None, clean_up_tokenization_spaces=False)


def llama_eos(folder):
    """The legacy prefix, an end token, an added padding token and a user-defined piece."""
    spm(folder, "tokenizer.model", "bpe", 600, byte_fallback=True, add_dummy_prefix=True,
        remove_extra_whitespaces=False, user_defined_symbols=["<sym>"])
    write_config(folder, "LlamaTokenizer", add_bos_token=True, add_eos_token=True, legacy=True,
                 pad_token="[PAD]", padding_side="right")


def gemma(folder):
    spm(folder, "tokenizer.model", "bpe", 640, byte_fallback=True, add_dummy_prefix=False, pad_id=0, eos_id=1,
        bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", split_digits=True,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        user_defined_symbols=["<mask>", "<start_of_turn>", "<end_of_turn>", "\n", "\n\n", "\u2581\u2581"])
    write_config(folder, "GemmaTokenizer", add_bos_token=True, add_eos_token=False, bos_token="<bos>",
                 eos_token="<eos>", pad_token="<pad>", unk_token="<unk>",
                 additional_special_tokens=["<start_of_turn>", "<end_of_turn>"])


def spm_unigram(folder):
    """No class of its own: what transformers makes of the model alone."""
    spm(folder, "tokenizer.model", "unigram", 640, byte_fallback=True, rules=RULES)
    write_config(folder, "PreTrainedTokenizerFast", add_bos_token=True, pad_token="<pad>")


LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def llama3(folder):
    """A tokenizer.json with the pieces of Llama 3: Split, ByteLevel, ignore_merges, a Sequence of post-processors."""
    trained = Tokenizer(models.BPE(ignore_merges=True))
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=340, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    trained.train_from_iterator([CORPUS], trainer)
    trained.add_special_tokens([Added("<s>", special=True, normalized=False), Added("</s>", special=True),
                                Added("<mask>", special=True, lstrip=True, rstrip=True)])
    trained.add_tokens([Added("tool", single_word=True), Added("<sym>", rstrip=True, normalized=True)])
    bos = trained.token_to_id("<s>")
    trained.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", bos)])])
    trained.save(str(folder / "tokenizer.json"))
    write_config(folder, "PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", mask_token="<mask>",
                 clean_up_tokenization_spaces=True)


def xlm(folder):
    """A tokenizer.json of the Unigram kind: Precompiled, Metaspace, TemplateProcessing with </s> </s> between."""
    spm(folder, "spm.model2", "unigram", 400, rules=RULES, pad_id=1, bos_id=0, eos_id=2, unk_id=3)
    proto = sentencepiece.sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "spm.model2").read_bytes())
    (folder / "spm.model2").unlink()
    trained = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=3))
    trained.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
        normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip(), normalizers.NFKC(), normalizers.Lowercase()])
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    trained.decoder = decoders.Metaspace()
    trained.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    trained.save(str(folder / "tokenizer.json"))
    write_config(folder, "PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", sep_token="</s>",
                 cls_token="<s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", model_max_length=40)


def xlm_roberta(folder):
    """As XLM-R ships it: the class only in config.json."""
    spm(folder, "sentencepiece.bpe.model", "unigram", 420, rules=RULES)
    write_json(folder / "config.json", {"model_type": "xlm-roberta"})
    write_json(folder / "tokenizer_config.json", {"model_max_length": 512})


def xlm_roberta_mask(folder):
    """Without the first space, with a mask that takes the space before it, and a user-defined piece."""
    spm(folder, "sentencepiece.bpe.model", "unigram", 400, rules=RULES, user_defined_symbols=["<sym>"])
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": True,
            "single_word": False}
    write_config(folder, "XLMRobertaTokenizer", mask_token=mask, add_prefix_space=False, sep_token="</s>")


def mbart(folder):
    spm(folder, "sentencepiece.bpe.model", "unigram", 400, rules=RULES)
    write_config(folder, "MBartTokenizer", src_lang="de_DE", model_max_length=1024)


def mbart50(folder):
    spm(folder, "sentencepiece.bpe.model", "unigram", 400, rules=RULES)
    write_config(folder, "MBart50Tokenizer", tgt_lang="ro_RO")


DEBERTA_PIECES = dict(pad_id=0, pad_piece="[PAD]", bos_id=1, bos_piece="[CLS]", eos_id=2, eos_piece="[SEP]", unk_id=3,
                      unk_piece="[UNK]")


def deberta(folder):
    """As microsoft/deberta-v3 ships it: the class only by the model's type."""
    spm(folder, "spm.model", "unigram", 420, rules=RULES, **DEBERTA_PIECES)
    write_json(folder / "config.json", {"model_type": "deberta-v2"})
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False, "vocab_type": "spm"})


def deberta_lower(folder):
    """Lower case, punctuation apart, no first space."""
    spm(folder, "spm.model", "unigram", 400, rules=RULES, user_defined_symbols=["<sym>"], **DEBERTA_PIECES)
    write_config(folder, "DebertaV2Tokenizer", do_lower_case=True, split_by_punct=True, add_prefix_space=False)


def tiktoken_file(path):
    """The ranks of a byte-level BPE in tiktoken's form; returns how many there are."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    trained.train_from_iterator([CORPUS], trainer)
    byte_of = {char: byte for byte, char in bytes_to_unicode().items()}
    ranked = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    lines = (base64.b64encode(bytes(byte_of[c] for c in token)).decode() + f" {rank}\n" for token, rank in ranked)
    path.write_text("".join(lines))
    return len(ranked)


def tiktoken(folder):
    """As Llama 3's original files: tokenizer.model, with gaps between the tokens that the config names."""
    size = tiktoken_file(folder / "tokenizer.model")
    flags = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    write_json(folder / "config.json", {"model_type": "llama"})
    write_config(folder, "PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", model_max_length=8192,
                 added_tokens_decoder={
                     str(size): {"content": "<s>", "special": True, **flags},
                     str(size + 3): {"content": "</s>", "special": True, **flags},
                     str(size + 4): {"content": "<tool>", "special": True, **flags, "rstrip": True}})


def tiktoken_named(folder):
    """tiktoken.model, which says what it is."""
    tiktoken_file(folder / "tiktoken.model")
    write_config(folder, "PreTrainedTokenizerFast", extra_special_tokens=["<|im_start|>", "<s>", "<sym>"],
                 bos_token="<s>", pad_token="<pad>", add_bos_token=True)


def tiktoken_llama(folder):
    """Under the name of a class that otherwise reads SentencePiece files."""
    tiktoken_file(folder / "tokenizer.model")
    write_config(folder, "LlamaTokenizer", add_bos_token=True, add_eos_token=True, unk_token=None)


def word_level(folder):
    """tokenizer.json with WordLevel, BertProcessing, and the other simple parts."""
    words = sorted(set(CORPUS.lower().split()))[:150]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trained = Tokenizer(models.WordLevel({w: i for i, w in enumerate(special + words)}, unk_token="[UNK]"))
    trained.normalizer = normalizers.Sequence([
        normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Replace("\u2026", "...")])
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(True)])
    trained.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    trained.add_special_tokens(special)
    trained.save(str(folder / "tokenizer.json"))
    write_config(folder, "PreTrainedTokenizerFast", unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
                 sep_token="[SEP]", clean_up_tokenization_spaces=True)


KINDS = {
    "bert": lambda folder: bert(folder, True, do_lower_case=True, model_max_length=512),
    "bert_cased": lambda folder: bert(folder, False, do_lower_case=False, strip_accents=True,
                                      tokenize_chinese_chars=False),
    "roberta": roberta,
    "roberta_prefix": roberta_prefix,
    "qwen2": qwen2,
    "added_json": added_json,
    "t5": t5,
    "mt5": mt5,
    "llama": llama,
    "llama_eos": llama_eos,
    "gemma": gemma,
    "spm_unigram": spm_unigram,
    "llama3": llama3,
    "xlm": xlm,
    "xlm_roberta": xlm_roberta,
    "xlm_roberta_mask": xlm_roberta_mask,
    "mbart": mbart,
    "mbart50": mbart50,
    "deberta": deberta,
    "deberta_lower": deberta_lower,
    "tiktoken": tiktoken,
    "tiktoken_named": tiktoken_named,
    "tiktoken_llama": tiktoken_llama,
    "word_level": word_level,
}


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False))


def write_config(folder, tokenizer_class, **values):
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": tokenizer_class, **values})


def row(tokenizer, *texts, **arguments):
    encoded = tokenizer(*texts, return_offsets_mapping=True, return_special_tokens_mask=True,
                        return_token_type_ids=True, **arguments)
    return {"ids": encoded["input_ids"], "types": encoded["token_type_ids"], "mask": encoded["special_tokens_mask"],
            "offsets": [end for pair in encoded["offset_mapping"] for end in pair]}


def expected(tokenizer):
    rows = []
    for text in TEXTS:
        entry = row(tokenizer, text)
        ids = entry["ids"]
        if not any(entry["types"]):
            del entry["types"]
        entry["plain"] = tokenizer(text, add_special_tokens=False)["input_ids"]
        if entry["plain"] == ids:
            del entry["plain"]
        entry["decoded"] = tokenizer.decode(ids)
        entry["skipped"] = tokenizer.decode(ids, skip_special_tokens=True)
        rows.append(entry)
    truncated = []
    for side in ("right", "left"):
        tokenizer.truncation_side = side
        for strategy in ("longest_first", "only_first", "only_second"):
            for length in (9, 12, 15):
                try:
                    entry = row(tokenizer, *LONG, truncation=strategy, max_length=length)
                except Exception:  # the one sequence is too short
                    continue
                truncated.append({"side": side, "strategy": strategy, "length": length, **entry})
        tokenizer.backend_tokenizer.no_truncation()
        for stride in (0, 2):
            # tokenizers 0.23 loses the end of a text when it truncates while encoding; so cut afterwards.
            encoded = tokenizer.backend_tokenizer.encode(LONG[0], add_special_tokens=False)
            encoded.truncate(7, stride, side)
            truncated.append({"side": side, "length": 7, "stride": stride,
                              "windows": [encoded.ids, *(window.ids for window in encoded.overflowing)]})
    ids = tokenizer.all_special_ids
    return {
        "class": type(tokenizer).__name__,
        "vocabSize": tokenizer.vocab_size,
        "length": len(tokenizer),
        "paddingSide": tokenizer.padding_side,
        "special": dict(tokenizer.special_tokens_map),
        "allSpecialIds": ids,
        "tokens": tokenizer.tokenize(TEXTS[4] + TEXTS[9] + TEXTS[24]),
        "texts": rows,
        "pairs": [row(tokenizer, *pair) for pair in PAIRS],
        "truncated": truncated,
    }


def added(tokenizer):
    """New tokens: one like a word, a special one that takes the spaces around it, and one in a role."""
    count = tokenizer.add_tokens(
        ["brandnewword", Added("<sp>", lstrip=True, rstrip=True, normalized=False, special=True)])
    special = tokenizer.add_special_tokens({"pad_token": "<newpad>"})
    ids = tokenizer("a brandnewword  <sp> b<newpad>")["input_ids"]
    return {"counts": [count, special], "length": len(tokenizer), "ids": ids, "pad": tokenizer.pad_token_id,
            "skipped": tokenizer.decode(ids, skip_special_tokens=True)}


def write(folder):
    folder.mkdir(parents=True)
    write_json(folder / "texts.json", {"versions": common.versions(), "texts": TEXTS, "pairs": PAIRS, "long": LONG})
    for name, build in KINDS.items():
        kind = folder / name
        kind.mkdir()
        build(kind)
        built = AutoTokenizer.from_pretrained(str(kind))
        if not (kind / "tokenizer.json").exists():
            write_json(kind / "saved.json", json.loads(built.backend_tokenizer.to_str()))
        side = built.truncation_side
        result = {**expected(built), "truncationSide": side, "added": added(AutoTokenizer.from_pretrained(str(kind)))}
        write_json(kind / "expected.json", result)


SECTIONS = {"tokenizer_kinds": write}
