"""Builds the pre-training corpus and the fine-tuning text of the demonstration model.

Needs the Python standard library and the source files named in README.md. Running it twice gives
the same bytes.

    python3 build_corpus.py SOURCES
"""

import gzip
import hashlib
import json
import random
import re
import struct
import sys
import zlib
from pathlib import Path

import stories

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "peft-java/src/main/resources/org/peftjava/demo"
SEED = 20240607
STORIES = 10000
DOCUMENT_CHARACTERS = 1200
EVAL_EVERY = 10

SHA256 = {
    "alice29.txt": "7467306ee0feed4971260f3c87421154a05be571d944e9cb021a5713700c38f0",
    "nt.bzs": "bec87a360bbc6bfbcd7de513edf928ceebb428dd2baff813aebf521bb0c6cc83",
    "nt.bzz": "5429389d9331b7a86901a73afa74f32d089cae3d5bd8dfe304b11808714a69ba",
    "ot.bzs": "2c16645bb829c05b20f39769e1fa23212743335143833a819f29e412c6def8ce",
    "ot.bzv": "dbd3b762b7159c5dd4b535f75b6ab643fb62ae44f4655aff3c5098a955a1ae57",
    "ot.bzz": "4633066d3872f1a3e600d2d10e667a13cd6c32bf116ca971d3c8f288bc3ea453",
}

# Books told as a story; most others are lists, laws and prophecies.
OLD_TESTAMENT = "Gen Exod Judg Ruth 1Sam 2Sam 1Kgs Neh Esth Dan Jonah".split()
NEW_TESTAMENT = "Matt Mark Luke John Acts".split()
OLD_TESTAMENT_VERSE = "Ps Wis".split()
LETTERS = "Rom 1Cor Jas 1Pet 1John".split()

# Blocks of the module that hold Proverbs, Ecclesiastes and Sirach; Sirach's last chapters praise ancestors by name.
WISDOM_BLOCKS = (59, 60, 63, 64, 65, 67)
SIRACH_HISTORY = 44
# Verses a demonstration need not print: most of what these books say of women, servants and corporal punishment.
LEFT_OUT = re.compile(
    r"\b(wom[ae]n|wife|wives|husband\w*|daughters?|maid\w*|virgin\w*|womb|breasts?|adulter\w*|prostitut\w*|whor\w*|harlot\w*"
    r"|fornicat\w*|lust\w*|bed|naked\w*|slaves?|whip\w*|flog\w*|stripes|beat\w*|rod|Deuterocanonical)\b",
    re.IGNORECASE,
)
PUNCTUATION = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "\u00a0": " ", "é": "e"})


def read(folder, name):
    data = (folder / name).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256[name]:
        raise SystemExit(f"{name} has SHA-256 {digest}, expected {SHA256[name]}: fetch the version named in README.md")
    return data


def gathered(paragraphs, limit, separator):
    """Joins neighbouring paragraphs into documents of about ``limit`` characters."""
    document = ""
    for paragraph in paragraphs:
        if document and len(document) + len(paragraph) > limit:
            yield document
            document = ""
        document += (separator if document else "") + paragraph
    if document:
        yield document


def testament(folder, part, books):
    """Documents of the chosen books: a SWORD ``zText`` module with one zlib block for each book."""
    index, blocks = read(folder, part + ".bzs"), read(folder, part + ".bzz")
    for at in range(0, len(index), 12):
        start, length, _ = struct.unpack_from("<III", index, at)
        osis = zlib.decompress(blocks[start : start + length]).decode("utf-8") if length else ""
        book = re.search(r'osisID="(\w+)"', osis)
        if book is None or book.group(1) not in books:
            continue
        osis = re.sub(r"<note.*?</note>|<title.*?</title>|<milestone[^>]*>", "", osis, flags=re.S)
        for chapter in re.split(r"<chapter n=", osis)[1:]:
            chapter = chapter[chapter.index(">") + 1 :]
            chapter = re.sub(r'<div [^>]*sID="[^"]*"[^>]*>|<l [^>]*>|<lg [^>]*>', "\n", chapter)
            chapter = re.sub(r"<[^>]*>", "", chapter).translate(PUNCTUATION)
            chapter = re.sub(r",(?=[A-Za-z])", ", ", chapter)
            paragraphs = [" ".join(p.split()) for p in chapter.split("\n")]
            yield from gathered([p for p in paragraphs if p], DOCUMENT_CHARACTERS, "\n")


def alice(folder):
    """Documents of Alice's Adventures in Wonderland, with double quotation marks for speech."""
    text = read(folder, "alice29.txt").decode("ascii", "ignore").replace("\r", "")
    text = text[text.index("Alice was beginning") : text.rindex("THE END")]
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n|\n(?=  \w)|\n(?=  `)", text):
        line = " ".join(paragraph.split())
        if len(line) < 20 or line.startswith("CHAPTER") or "* *" in line:
            continue
        line = re.sub(r"(^|[\s(-])`", r'\1"', line)
        line = re.sub(r"([,.!?;:-])'(?=\s|$|\)|--)", r'\1"', line)
        paragraphs.append(line.replace("_", ""))
    yield from gathered(paragraphs, DOCUMENT_CHARACTERS, "\n")


def proverbs(folder):
    """Single verses of Proverbs, Ecclesiastes and Sirach that can be understood alone."""
    verses, index, blocks = read(folder, "ot.bzv"), read(folder, "ot.bzs"), read(folder, "ot.bzz")
    books = {}
    for block in WISDOM_BLOCKS:
        start, length, _ = struct.unpack_from("<III", index, 12 * block)
        books[block] = zlib.decompress(blocks[start : start + length])
    chapter = 0
    for at in range(0, len(verses), 10):
        block, start, length = struct.unpack_from("<IIH", verses, at)
        if block not in WISDOM_BLOCKS:
            continue
        osis = books[block][start : start + length].decode("utf-8", "ignore")
        opening = re.search(r'<chapter n="(\d+)"', osis)
        chapter = int(opening.group(1)) if opening else chapter
        osis = re.sub(r"<note.*?</note>|<title.*?</title>", "", osis, flags=re.S)
        osis = re.sub(r"<l [^>]*>|<div[^>]*>", " ", osis)
        verse = " ".join(re.sub(r"<[^>]*>", "", osis).translate(PUNCTUATION).split())
        verse = re.sub(r",(?=[A-Za-z])", ", ", verse)
        history = block == WISDOM_BLOCKS[-1] and chapter >= SIRACH_HISTORY
        if not history and re.fullmatch(r'[A-Z][^"]{29,219}[.!?]', verse) and not LEFT_OUT.search(verse):
            yield verse


def jsonl(documents):
    return "".join(json.dumps({"text": text}, ensure_ascii=True) + "\n" for text in documents).encode("ascii")


def report(name, documents):
    documents = list(documents)
    print(f"{name:24} {len(documents):6} documents {sum(map(len, documents)):9} characters")
    return documents


def main(folder):
    corpus = report("generated stories", stories.stories(STORIES, SEED))
    corpus += report("Alice in Wonderland", alice(folder))
    corpus += report("Old Testament prose", testament(folder, "ot", OLD_TESTAMENT))
    corpus += report("Old Testament verse", testament(folder, "ot", OLD_TESTAMENT_VERSE))
    corpus += report("New Testament prose", testament(folder, "nt", NEW_TESTAMENT))
    corpus += report("New Testament letters", testament(folder, "nt", LETTERS))
    random.Random(SEED).shuffle(corpus)
    with open(HERE / "corpus.jsonl.gz", "wb") as out:
        with gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
            packed.write(jsonl(corpus))

    verses = report("Proverbs", dict.fromkeys(proverbs(folder)))
    held_out = verses[EVAL_EVERY - 1 :: EVAL_EVERY]
    DEMO.mkdir(parents=True, exist_ok=True)
    (DEMO / "train.jsonl").write_bytes(jsonl(v for v in verses if v not in held_out))
    (DEMO / "eval.jsonl").write_bytes(jsonl(held_out))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
