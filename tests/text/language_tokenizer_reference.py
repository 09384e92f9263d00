#!/usr/bin/env python3
"""What Transformers' NllbTokenizer, MBartTokenizer and MBart50Tokenizer make of folders without a tokenizer.json.

    pip install transformers==5.23.0 sentencepiece protobuf
    python3 tests/text/language_tokenizer_reference.py      writes tests/text/language_tokenizer/

nllb.model, where it is not there yet: pieces of pairs with a small character map of its own. expect.json: {"texts": [...],
"folders": [{"name", "model", "files": {name: contents}, "lines": [[ids, decoded]...] one for each of the first texts,
"tokens", "targets", "with_special" alike of fewer, "pairs": [ids...] of neighbours}...], "refused": [{"name", "model", "files",
"source"}...]}: of the last, the reference writes <unk> where the source language should stand.
"""

import io
import json
import pathlib
import shutil
import tempfile

import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2

from wordpiece_reference import SENTENCES, lines as varied_lines

transformers.logging.set_verbosity_error()
here = pathlib.Path(__file__).parent
folder = here / "language_tokenizer"
models = {"nllb": folder / "nllb.model", "unigram": here / "marian_tokenizer" / "source.spm",
          "bytes": here / "marian_tokenizer" / "bpe.model"}  # fmt: skip
corpus = [line for line in SENTENCES if line.strip()]
texts = corpus + [
    "a eng_Latn b", "fra_Latn", "x deu_Latn", "en_XX a", "a ro_RO b", "de_DE", "sl_SI <ent> z", "<mask>", "a <mask>  b", "a<mask>b",
    "one </s> two", "</s>", "<pad> a", "<unk>", "a<unk>b", "<s>a", "  many   blanks  ", "tab\there", "new\nline", "", " ", "   ",
    "Ａ full width ﬁ", "x" * 300, "🙂 emoji 👨‍👩‍👧", "<user> here", "<ent>", "a<ent>b <ent>", "▁mark ▁ ▁▁", "non\u00a0breaking",
    "soft\u00adhyphen", "e\u0301 é", "\ufeffBOM", "1234567890", "don't", "\u3000wide blank\u3000",
] + varied_lines(900, seed=7)[-240:]  # fmt: skip


def make_model():
    if models["nllb"].exists():
        return
    folder.mkdir(exist_ok=True)
    rules = {"ﬁ": "fi", "Ａ": "A", "\u00a0": " ", "\u3000": " ", "\t": " ", "e\u0301": "é", "\u00ad": "", "ß": "ss"}
    table = "".join("{}\t{}\n".format(*(" ".join(f"{ord(c):X}" for c in side) for side in rule)) for rule in rules.items())
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as written:
        written.write(table)
        written.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus * 3), model_writer=model, model_type="bpe", vocab_size=900, character_coverage=0.98,
            normalization_rule_tsv=written.name, minloglevel=2)  # fmt: skip
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    proto.trainer_spec.ClearField("model_prefix")
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    models["nllb"].write_bytes(proto.SerializeToString())


def added(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": True} | flags  # fmt: skip


make_model()
size = sentencepiece.SentencePieceProcessor(str(models["nllb"])).get_piece_size()
nllb = transformers.models.nllb.tokenization_nllb.FAIRSEQ_LANGUAGE_CODES
mbart50 = transformers.models.mbart50.tokenization_mbart50.FAIRSEQ_LANGUAGE_CODES
named = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>",
         "cls_token": "<s>", "mask_token": "<mask>"}  # fmt: skip
mask = {"mask_token": added("<mask>", lstrip=True, normalized=True)}
numbered = {str(i): added(token) for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
numbered |= {str(size + 1 + i): added(code) for i, code in enumerate(nllb)}
numbered[str(size + 1 + len(nllb))] = added("<mask>", lstrip=True, normalized=True)


def of(kind, **config):
    return {"config.json": {"model_type": "m2m_100" if kind == "Nllb" else "mbart"},
            "tokenizer_config.json": {"tokenizer_class": kind + "Tokenizer"} | config}  # fmt: skip


folders = {  # the first three with all texts
    "NLLB as its slow tokenizer saved it, ids of languages and all":
        ("nllb", of("Nllb", added_tokens_decoder=numbered, additional_special_tokens=nllb, src_lang="deu_Latn",
                    tgt_lang="fra_Latn", **named)),  # fmt: skip
    "MBart": ("unigram", {"config.json": {"model_type": "mbart"}}),
    "MBart50 as it was first published": ("unigram", of("MBart50", src_lang=None, tgt_lang=None, language_codes="ML50",
                                                        additional_special_tokens=mbart50) | {
        "special_tokens_map.json": named | mask | {"additional_special_tokens": mbart50}}),
    "NLLB, languages behind the mask": ("nllb", of("Nllb", additional_special_tokens=nllb, tgt_lang="zul_Latn", **named)),
    "NLLB, legacy, two languages": ("nllb", of("Nllb", legacy_behaviour=True, tgt_lang="fra_Latn",
                                               extra_special_tokens=["eng_Latn", "fra_Latn", "<ent>"])),
    "NLLB, languages in added_tokens.json": ("nllb", of("Nllb", src_lang="zul_Latn") | {
        "added_tokens.json": {"zul_Latn": size + 1, "<ent>": size + 2}}),
    "NLLB by its model_type, a Unigram's model": ("unigram", {"config.json": {"model_type": "nllb-moe"},
                                                              "tokenizer_config.json": {"additional_special_tokens": nllb}}),
    "NLLB, a model with symbols and bytes": ("bytes", of("Nllb", additional_special_tokens=["eng_Latn"])),
    "NLLB, other names": ("nllb", of("Nllb", additional_special_tokens=["eng_Latn"], eos_token="▁the", pad_token="<p>",
                                     unk_token="<u>", bos_token="e")),
    "MBart, both languages": ("unigram", of("MBart", src_lang="de_DE", tgt_lang="ro_RO")),
    "MBart, additional tokens": ("unigram", of("MBart", additional_special_tokens=["<ent>"], mask_token="<m>")),
    "MBart, added_tokens.json": ("unigram", of("MBart") | {"added_tokens.json": {"<ent>": 257}}),
    "MBart, a model of pairs with symbols": ("bytes", of("MBart", tgt_lang="fr_XX")),
    "MBart, other names": ("unigram", of("MBart", eos_token="▁a", pad_token="<p>", unk_token="<u>")),
    "MBart50": ("unigram", of("MBart50", src_lang="de_DE", tgt_lang="sl_SI")),
    "MBart50, additional tokens": ("bytes", of("MBart50", extra_special_tokens=["<ent>"], mask_token="<m>", cls_token="<c>")),
    "MBart, none but special_tokens_map.json": ("unigram", of("MBart", additional_special_tokens=[]) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>"]}}),
}  # fmt: skip
refused = {
    "NLLB as it was first published": ("nllb", of("Nllb", src_lang=None, tgt_lang=None, **named) | {
        "special_tokens_map.json": named | mask | {"additional_special_tokens": nllb}}),
    "NLLB without languages": ("nllb", of("Nllb")),
    "NLLB with other languages": ("nllb", of("Nllb", src_lang="deu_Latn", additional_special_tokens=["eng_Latn"])),
    "MBart of a language that it has not": ("unigram", of("MBart", src_lang="eng_Latn")),
}


def opened(model, files):
    with tempfile.TemporaryDirectory() as scratch:
        for name, contents in files.items():
            pathlib.Path(scratch, name).write_text(json.dumps(contents))
        shutil.copy(models[model], pathlib.Path(scratch, "sentencepiece.bpe.model"))
        return transformers.AutoTokenizer.from_pretrained(scratch)


def made(name, model, files, count):
    tokenizer = opened(model, files)
    ids = [tokenizer(text)["input_ids"] for text in texts[:count]]
    few = min(count, 60)
    return {
        "name": name, "model": model, "files": files,
        "lines": [[one, tokenizer.decode(one, skip_special_tokens=True)] for one in ids],
        "tokens": [tokenizer(text)._encodings[0].tokens for text in texts[:few]],
        "targets": [tokenizer(text_target=text)["input_ids"] for text in texts[:few]],
        "with_special": [tokenizer.decode(one) for one in ids[:few]],
        "pairs": [tokenizer(*pair)["input_ids"] for pair in zip(texts[:9], texts[1:10])],
    }  # fmt: skip


def main():
    expected = {"texts": texts, "folders": [], "refused": []}
    for place, (name, (model, files)) in enumerate(folders.items()):
        expected["folders"].append(made(name, model, files, len(texts) if place < 3 else 70))
    for name, (model, files) in refused.items():
        tokenizer = opened(model, files)
        assert tokenizer.convert_tokens_to_ids(tokenizer.src_lang) == tokenizer.unk_token_id
        expected["refused"].append({"name": name, "model": model, "files": files, "source": tokenizer.src_lang})
    text = json.dumps(expected, ensure_ascii=False, separators=(",", ":")).replace("]],[", "]],\n[").replace('},{"name"', '},\n{"name"')
    (folder / "expect.json").write_text(text, encoding="utf-8")


main()
