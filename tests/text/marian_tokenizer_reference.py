#!/usr/bin/env python3
"""A small SentencePiece model, and what Transformers' MarianTokenizer makes of lines with it.

    python3 tests/text/marian_tokenizer_reference.py      writes tests/text/marian_tokenizer/ (transformers, sentencepiece)

expect.json: {"lines": [[text, [id...]]...], "decoded": [[[id...], text]...]}; expect_separate.json the same with
separate_vocab.json as target_vocab.json ("targets": as lines), as Transformers' separate_vocabs makes them.
"""

import json
import pathlib

import sentencepiece
from transformers import MarianTokenizer

from wordpiece_reference import SENTENCES, lines as varied_lines

folder = pathlib.Path(__file__).parent / "marian_tokenizer"
corpus = [line for line in SENTENCES if line.strip()]

latin = [line for line in corpus if max(line) < "\u0250"]  # what stays unknown must be tested too
for side, size in (("source", 230), ("target", 200)):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(latin), model_prefix=str(folder / side), vocab_size=size, hard_vocab_limit=False,
        character_coverage=0.98, normalization_rule_name="nmt_nfkc", minloglevel=2)  # fmt: skip
    # The trainer writes the path into the model: it has to be taken out by hand (trainer_spec.model_prefix).
    (folder / f"{side}.vocab").unlink()
    (folder / f"{side}.model").rename(folder / f"{side}.spm")

pieces = {"</s>": 0, "<unk>": 1, ">>deu<<": 2, ">>fr_FR<<": 3}
for side in ("source", "target"):
    model = sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm"))
    for i in range(model.get_piece_size()):
        if i % 17 != 5:  # some pieces are not in the vocabulary
            pieces.setdefault(model.id_to_piece(i), len(pieces))
pieces["<pad>"] = len(pieces)
(folder / "vocab.json").write_text(json.dumps(pieces, ensure_ascii=False), encoding="utf-8")

tokenizer = MarianTokenizer(
    source_spm=str(folder / "source.spm"), target_spm=str(folder / "target.spm"), vocab=str(folder / "vocab.json"))  # fmt: skip
lines = corpus + [
    ">>deu<< Good morning.", ">>deu<<Good", " >>deu<< spaces first", ">>xx<< no such language", "a >>deu<< b", ">> << empty",
    ">><< nothing", ">>a<< b >>c<< d", ">>deu<<", "one </s> two", "</s>", "<pad> a", "<unk>", "a<unk>b", "  many   blanks  ",
    "tab\there", "", " ", "Ａ full width", "ﬁ ligature", "x" * 300, "no-break space", "zero​width", "🙂 emoji 👨‍👩‍👧", "1,000.5%",
]  # fmt: skip
seen = set(lines)
lines += [line for line in varied_lines(700, seed=4) if "[MASK]" not in line and not (line in seen or seen.add(line))][:300]
codes = (">>deu<< ", ">>fr_FR<<", ">>xx<< ", "")
lines += [codes[i % 4] + line for i, line in enumerate(varied_lines(900, seed=5)[-100:])]


def write(name, tokenizer, pad, more=()):
    expected = {"lines": [[line, tokenizer(line)["input_ids"]] for line in lines]}
    expected |= {key: [[line, tokenizer(text_target=line)["input_ids"]] for line in texts] for key, texts in more}
    expected["decoded"] = [
        [ids, tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)]
        for ids in ([tokenizer(text_target=line)["input_ids"] for line in corpus[:20]]
                    + [[0], [5, 0, 6, 0], [2, 9, 10, 0], [1, 12, 0]] + ([[pad, 7, 8, 0]] if pad else []))
    ]  # fmt: skip
    (folder / name).write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")).replace("]],[", "]],\n["))


write("expect.json", tokenizer, len(pieces) - 1)

# The target's pieces alone, in another order.
model = sentencepiece.SentencePieceProcessor(str(folder / "target.spm"))
names = sorted(model.id_to_piece(i) for i in range(3, model.get_piece_size()) if i % 13 != 4)
target = {name: i for i, name in enumerate(["</s>", "<unk>", *names, "<pad>"])}
(folder / "separate_vocab.json").write_text(json.dumps(target, ensure_ascii=False), encoding="utf-8")
tokenizer = MarianTokenizer(
    source_spm=str(folder / "source.spm"), target_spm=str(folder / "target.spm"), vocab=str(folder / "vocab.json"),
    target_vocab_file=str(folder / "separate_vocab.json"), separate_vocabs=True)  # fmt: skip
# The target's <pad>, which no search gives, is left out: Transformers takes the source's ids for the special ones.
write("expect_separate.json", tokenizer, None, [("targets", corpus + lines[-100:])])
