#!/usr/bin/env python3
"""What Transformers' M2M100Tokenizer makes of lines with marian_tokenizer's SentencePiece model.

    python3 tests/text/m2m100_tokenizer_reference.py      writes tests/text/m2m100_tokenizer/ (transformers, sentencepiece)

vocab.json, and expect.json: a list of {"files": {name: contents}, "lines": [[text, [id...]]...], "pairs", "targets" alike,
"decoded": [[[id...], text, text with special tokens]...]}, one for each way in which a folder may say the same.
"""

import json
import pathlib
import shutil
import tempfile

import sentencepiece
import transformers

from wordpiece_reference import SENTENCES, lines as varied_lines

transformers.logging.set_verbosity_error()
here = pathlib.Path(__file__).parent
folder = here / "m2m100_tokenizer"
folder.mkdir(exist_ok=True)

model = sentencepiece.SentencePieceProcessor(str(here / "marian_tokenizer" / "source.spm"))
pieces = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
for i in range(3, model.get_piece_size()):
    if i % 17 != 5:  # some pieces are not in the vocabulary
        pieces.setdefault(model.id_to_piece(i), len(pieces))
(folder / "vocab.json").write_text(json.dumps(pieces, ensure_ascii=False), encoding="utf-8")

codes = transformers.models.m2m_100.tokenization_m2m_100.FAIRSEQ_LANGUAGE_CODES["m2m100"]
tokens = [f"__{code}__" for code in codes]
named = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
named_class = {"tokenizer_class": "M2M100Tokenizer"}
folders = [  # as the hub's folders are, and with less
    {"tokenizer_config.json": {**named_class, **named, "src_lang": None, "tgt_lang": None, "language_codes": "m2m100",
                               "num_madeup_words": 8, "model_max_length": 1024, "additional_special_tokens": tokens},
     "special_tokens_map.json": {**named, "additional_special_tokens": tokens}},
    {"tokenizer_config.json": {**named_class, "src_lang": "de", "tgt_lang": "fr"}},
    {"config.json": {"model_type": "m2m_100"}, "special_tokens_map.json": {**named, "additional_special_tokens": tokens}},
    {"tokenizer_config.json": {**named_class, "language_codes": "wmt21", "src_lang": "is", "tgt_lang": "ha"}},
]  # fmt: skip
corpus = [line for line in SENTENCES if line.strip()]
lines = corpus[:60] + [
    "__fr__ Good morning.", "__de__Good", "a __en__ b", "__xx__ none", "one </s> two", "</s>", "<pad> a", "<unk>", "a<unk>b",
    "<s>a", "  many   blanks  ", "tab\there", "", " ", "Ａ full width", "x" * 300, "🙂 emoji 👨‍👩‍👧", ">>fr<< as Marian",
] + varied_lines(900, seed=6)[-80:]  # fmt: skip


def made(files):
    with tempfile.TemporaryDirectory() as scratch:
        for name, contents in files.items():
            pathlib.Path(scratch, name).write_text(json.dumps(contents))
        shutil.copy(folder / "vocab.json", scratch)
        shutil.copy(here / "marian_tokenizer" / "source.spm", pathlib.Path(scratch, "sentencepiece.bpe.model"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(scratch)
        assert type(tokenizer).__name__ == "M2M100Tokenizer", type(tokenizer)
        expected = {"files": files, "lines": [[line, tokenizer(line)["input_ids"]] for line in lines]}
        expected["pairs"] = [[one, other, tokenizer(one, other)["input_ids"]] for one, other in zip(lines[:9], lines[9:])]
        if tokenizer.tgt_lang is not None:
            expected["targets"] = [[line, tokenizer(text_target=line)["input_ids"]] for line in lines[:40]]
        ids = [tokenizer(line)["input_ids"] for line in lines[:70]] + [[2, len(pieces) + 5, 9, 10, 2], [9, 1, 1], [3, 7]]
        expected["decoded"] = [
            [one, tokenizer.decode(one, skip_special_tokens=True), tokenizer.decode(one)] for one in ids
        ]
        return expected


expected = [made(files) for files in folders]
text = json.dumps(expected, ensure_ascii=False, separators=(",", ":")).replace("]],[", "]],\n[")
(folder / "expect.json").write_text(text, encoding="utf-8")
