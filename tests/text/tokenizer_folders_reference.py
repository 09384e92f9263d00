#!/usr/bin/env python3
"""Makes tokenizer_folders.json, what Transformers' AutoTokenizer makes of folders whose files agree or do not:

    pip install transformers==5.23.0 sentencepiece protobuf
    python3 tests/text/tokenizer_folders_reference.py

A case is the folder's files and lines of text with their ids; a pair of texts is a list. A file is its text, a JSON
object, or says where it is from: a golden tokenizer.json, its vocabulary, its merges, or a file of marian_tokenizer/.
"""
import json
import os
import pathlib
import shutil
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from transformers import AutoTokenizer  # noqa: E402

here = pathlib.Path(__file__).parent
golden = here.parent / "golden" / "tokenizers"
words = ("[PAD] [UNK] [CLS] [SEP] [MASK] paris Paris a b c d e f g h i j k l m n o p q r s t u v w x y z "
         "##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n ##o ##p ##q ##r ##s ##t ##u ##v ##w ##x ##y ##z é É 中").split()
vocab = "\n".join(words) + "\n"
texts = ["a [ENT] b", "a [ent]b", "Paris É中", "x[MASK] y [SEP]z", "<extra> a<extra>b", " two  blanks ", "",
         ["a b", "c"], "<cls>a</cls> [CLS]", "word <w> inword<w>in <w>,", "l <l> l <r> r", "don't . do not , n't"]


def added(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": False} | flags


def specials(first=0):
    return {str(first + i): added(word, special=True) for i, word in enumerate(words[:5])}


def wordpiece(**changes):
    vocabulary = {word: i for i, word in enumerate(words)}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 100, "vocab": vocabulary}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i} | added(word, special=True) for i, word in enumerate(words[:5])],
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                           "strip_accents": None, "lowercase": False},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}, "model": model} | changes


n = len(words)
flagged = [{"id": n + i} | token for i, token in enumerate([
    added("[ENT]", normalized=True), added("<w>", single_word=True), added("<l>", lstrip=True), added("<r>", rstrip=True),
    added("<extra>", special=True, lstrip=True, rstrip=True)])]
decoder = specials() | {str(token["id"]): {k: v for k, v in token.items() if k != "id"} for token in flagged}
bert = {"config.json": {"model_type": "bert"}}
gpt2 = {"config.json": {"model_type": "gpt2"}, "vocab.json": {"vocab_of": "gpt2"}, "merges.txt": {"merges_of": "gpt2"}}
roberta = {"config.json": {"model_type": "roberta"}, "vocab.json": {"vocab_of": "roberta"},
           "merges.txt": {"merges_of": "roberta"}}
marian = {"config.json": {"model_type": "marian"}} | {
    name: {"marian": name} for name in ("source.spm", "target.spm", "vocab.json")}


unigram = [["<pad>", 0.0], ["<unk>", 0.0], ["[CLS]", 0.0], ["[SEP]", 0.0], ["[MASK]", 0.0], ["▁", -2.0]] + [
    [piece, -3.0 - i / 8] for i, piece in enumerate("▁a ▁b ▁two ▁blanks nks a e o t r s \" B É é c d x".split())]
albert = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None,
          "decoder": None, "model": {"type": "Unigram", "unk_id": 1, "vocab": unigram}}


# Two ways to cut a row of stars whose sums differ in the last bit, or not: by how the scores' digits are read.
stars = {"version": "1.0", "added_tokens": [], "normalizer": None,
         "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
         "post_processor": None, "decoder": None, "model": {"type": "Unigram", "unk_id": 2, "vocab": [
             ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["*", -6.896276342724275],
             ["*" * 16, -10.390443461078547], ["▁" + "*" * 9, -11.118744973278101]]}}


def of(name, model_type, config):
    return {"config.json": {"model_type": model_type}, "tokenizer.json": {"copy": name},
            "tokenizer_config.json": config}


plain = ["ﾊﾟ ㌔ ½ﬀ \u00ad x\u200b İ e\u0301\u0323 각 \u1100\u1161", "<extra_id_0> a<extra_id_2>b", "Größe und Straße, don't 1234!", "  two  blanks\n\tx ", "naïve Ångström <s> x </s>", "", ["a b", "und c"],
         "x<mask> y <mask>z", "a <|endoftext|> b", "ﬁ ① Ⅷ e\u0301 中文", "HELLO ``quoted''", "*" * 26]
languages = plain + ["x ar_AR y", "a eng_Latn b ace_Latn", "de_DE", "z sl_SI <ent> b", "   ", "a <mask>  b", ["a", "b"]]
sentences = ["<ent> es", "a <ent> b", "a<ent>b", "el es 1", ">>deu<< Good morning.", "x </s> y <pad>z<unk>", "",
             "<w> in<w>in <w>", "l <l> l <r> r", "<eos> a <s> b"]

cases = {
    "vocab.txt alone": {"vocab.txt": vocab},
    "vocab.txt and config.json": bert | {"vocab.txt": vocab},
    "cased": bert | {"vocab.txt": vocab, "tokenizer_config.json": {"do_lower_case": False}},
    "lower case with accents": bert | {"vocab.txt": vocab, "tokenizer_config.json": {"strip_accents": False}},
    "cased without accents": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}},
    "R05": bert | {"vocab.txt": vocab, "added_tokens.json": {"[ENT]": n}},
    "R05b": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "tokenizer_class": "BertTokenizer", "do_lower_case": True,
        "added_tokens_decoder": specials() | {str(n): added("[ENT]")}}},
    "R18": bert | {"vocab.txt": vocab, "tokenizer.json": wordpiece(added_tokens=wordpiece()["added_tokens"] + [
        {"id": n} | added("[ENT]", normalized=True)]), "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"}},
    "O_no_postprocessor": bert | {"vocab.txt": vocab, "tokenizer.json": wordpiece(),
                                  "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}},
    "flags of added tokens": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "tokenizer_class": "BertTokenizer", "added_tokens_decoder": decoder}},
    "flags of added tokens, cased": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "tokenizer_class": "BertTokenizer", "do_lower_case": False, "added_tokens_decoder": decoder}},
    "flags in tokenizer.json": {"tokenizer.json": wordpiece(added_tokens=wordpiece()["added_tokens"] + flagged),
                                "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}},
    "flags in tokenizer.json of a class": bert | {
        "tokenizer.json": wordpiece(added_tokens=wordpiece()["added_tokens"] + flagged)},
    "both lists": bert | {"tokenizer.json": wordpiece(added_tokens=wordpiece()["added_tokens"] + flagged),
                          "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "added_tokens_decoder":
                                                    specials() | {str(n): added("<extra>", lstrip=True)}}},
    "both lists, as it is": bert | {
        "tokenizer.json": wordpiece(added_tokens=wordpiece()["added_tokens"] + flagged[:2]),
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder":
                                  specials() | {str(n): added("[ENT]"), str(n + 2): added("<extra>", rstrip=True)}}},
    "additional_special_tokens": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "additional_special_tokens": ["<extra>", "[ENT]"]}},
    "extra_special_tokens": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "extra_special_tokens": ["<extra>"], "additional_special_tokens": ["<w>"]}},
    "special_tokens_map.json": bert | {"vocab.txt": vocab, "special_tokens_map.json": {
        "cls_token": "<cls>", "mask_token": {"content": "<l>", "lstrip": True, "normalized": False, "rstrip": False,
                                             "single_word": False},
        "additional_special_tokens": ["<extra>"]}, "added_tokens.json": {"[ENT]": n, "<cls>": n + 1}},
    "names of special tokens": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "cls_token": "paris", "sep_token": "</cls>", "unk_token": "x", "model_max_length": 512}},
    "special tokens by objects": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "mask_token": {"__type": "AddedToken", "content": "<l>", "lstrip": True, "normalized": True, "rstrip": False,
                       "single_word": False}}},
    "the class goes before the file": {"config.json": {"model_type": "bert"}, "tokenizer.json": wordpiece(
        pre_tokenizer={"type": "WhitespaceSplit"})},
    "clean_up_tokenization_spaces": bert | {"tokenizer.json": wordpiece(decoder=None), "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True}},
    "distilbert": {"config.json": {"model_type": "distilbert"}, "vocab.txt": vocab,
                   "tokenizer_config.json": {"tokenizer_class": "DistilBertTokenizerFast", "do_lower_case": False}},
    "gpt2 by merges": gpt2,
    "gpt2 with a blank in front": gpt2 | {"tokenizer_config.json": {"add_prefix_space": True}},
    "gpt2 with bos": gpt2 | {"tokenizer_config.json": {"add_bos_token": True, "tokenizer_class": "GPT2Tokenizer"}},
    "gpt2 by file": of("gpt2", "gpt2", {"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": True}),
    "roberta by merges": roberta,
    "roberta, mask with blanks": roberta | {"tokenizer_config.json": {
        "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": True,
                       "rstrip": False, "single_word": False}, "add_prefix_space": True}},
    "bart by file": of("roberta", "bart", {"tokenizer_class": "BartTokenizer", "trim_offsets": False}),
    "llama by file": of("llama2", "llama", {"tokenizer_class": "LlamaTokenizer"}),
    "llama, legacy": of("llama2", "llama", {"tokenizer_class": "LlamaTokenizerFast", "legacy": True}),
    "llama without a blank": of("llama2", "llama", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}),
    "mistral by file": of("llama2", "mistral", {"tokenizer_class": "LlamaTokenizer"}),
    "llama3 named llama": of("llama3", "llama", {"tokenizer_class": "LlamaTokenizer"}),
    "llama3 as it is": of("llama3", "llama", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    "qwen2 by file": of("qwen2", "qwen2", {"tokenizer_class": "Qwen2Tokenizer"}),
    "gpt_neox by file": of("gpt2", "gpt_neox", {"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True}),
    "gemma by file": of("llama2", "gemma2", {"tokenizer_class": "GemmaTokenizer", "bos_token": "<s>",
                                             "eos_token": "</s>"}),
    "t5 by file": of("t5", "t5", {"tokenizer_class": "T5Tokenizer"}),
    "mt5 as it is": of("t5", "mt5", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    "scores as the library reads them": {"config.json": {"model_type": "t5"}, "tokenizer.json": stars,
                                         "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}},
    "scores as Python reads them": {"config.json": {"model_type": "t5"}, "tokenizer.json": stars,
                                    "tokenizer_config.json": {"tokenizer_class": "T5Tokenizer"}},
    "xlm-roberta by file": of("xlm_roberta", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer"}),
    "albert by file": {"config.json": {"model_type": "albert"}, "tokenizer.json": albert,
                       "tokenizer_config.json": {"tokenizer_class": "AlbertTokenizer"}},
    "albert, cased": {"config.json": {"model_type": "albert"}, "tokenizer.json": albert, "tokenizer_config.json": {
        "tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}},
    "t5 by SentencePiece": {"config.json": {"model_type": "t5"}, "spiece.model": {"marian": "source.spm"}},
    "t5 by SentencePiece, fewer": {"config.json": {"model_type": "mt5"}, "spiece.model": {"marian": "source.spm"},
                                   "tokenizer_config.json": {"extra_ids": 3, "tokenizer_class": "T5Tokenizer"}},
    "xlm-roberta by SentencePiece": {"config.json": {"model_type": "xlm-roberta"},
                                     "sentencepiece.bpe.model": {"marian": "source.spm"}},
    "llama by SentencePiece": {"config.json": {"model_type": "llama"}, "tokenizer.model": {"marian": "bpe.model"},
                               "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}},
    "gemma by SentencePiece": {"config.json": {"model_type": "gemma"}, "tokenizer.model": {"marian": "bpe.model"},
                               "tokenizer_config.json": {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True,
                                                         "add_eos_token": True}},
    "nllb by file": of("llama2", "m2m_100", {"tokenizer_class": "NllbTokenizer"}),
    "nllb, legacy": of("llama2", "m2m_100", {"tokenizer_class": "NllbTokenizerFast", "legacy_behaviour": True,
                                             "src_lang": "deu_Latn", "tgt_lang": "zul_Latn"}),
    "nllb, two languages": of("llama2", "m2m_100", {
        "tokenizer_class": "NllbTokenizer", "additional_special_tokens": ["eng_Latn", "<ent>"], "tgt_lang": "eng_Latn"}),
    "mbart by file": of("xlm_roberta", "mbart", {"tokenizer_class": "MBartTokenizer", "tgt_lang": "ro_RO"}),
    "mbart, two languages": of("t5", "mbart", {"additional_special_tokens": ["en_XX", "<ent>"]}),
    "mbart50 by file": of("t5", "mbart", {"tokenizer_class": "MBart50TokenizerFast", "src_lang": "gl_ES"}),
    "mbart50, a map of characters": of("t5", "mbart", {
        "tokenizer_class": "MBart50Tokenizer", "tgt_lang": "de_DE", "additional_special_tokens": ["<ent>"],
        "mask_token": "<mask>"}),
    "mbart50 without additional tokens": of("t5", "mbart", {"tokenizer_class": "MBart50Tokenizer",
                                                            "additional_special_tokens": []}),
    "mbart50, null": of("t5", "mbart", {"tokenizer_class": "MBart50Tokenizer", "additional_special_tokens": None}),
    "nllb, null": of("llama2", "m2m_100", {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": None}),
    "mbart, special_tokens_map.json": of("t5", "mbart", {}) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>", "de_DE"]}},
    "mbart50, special_tokens_map.json": of("t5", "mbart", {"tokenizer_class": "MBart50Tokenizer"}) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>", "de_DE"]}},
    "nllb, special_tokens_map.json": of("llama2", "m2m_100", {"tokenizer_class": "NllbTokenizer"}) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>", "eng_Latn"]}},
    "mbart, both files": of("t5", "mbart", {"additional_special_tokens": ["en_XX", "<x>"]}) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>", "de_DE"]}},
    "t5, another end": of("t5", "t5", {"eos_token": "<X>", "extra_special_tokens": ["<ent>"]}),
    "t5, special_tokens_map.json": of("t5", "t5", {}) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>"]}},
    "special, rewritten by the normalizer": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "mask_token": {"__type": "AddedToken", "content": "[MASK]", "normalized": True},
        "additional_special_tokens": [{"__type": "AddedToken"} | added("Paris", lstrip=True), "Paris", "[ENT]"]}},
    "special and not, of one text": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "extra_special_tokens": ["<w>", {"__type": "AddedToken"} | added("<w>", special=False, lstrip=True)]}},
    "mbart50, an unknown text of two ids": of("xlm_roberta", "mbart", {"tokenizer_class": "MBart50Tokenizer"}),
    "t5 by SentencePiece, special_tokens_map.json": {
        "config.json": {"model_type": "t5"}, "spiece.model": {"marian": "source.spm"}, "special_tokens_map.json": {
            "additional_special_tokens": ["<extra_id_1>"]}},
    "xlm-roberta by SentencePiece, special_tokens_map.json": {
        "config.json": {"model_type": "xlm-roberta"}, "sentencepiece.bpe.model": {"marian": "source.spm"},
        "special_tokens_map.json": {"additional_special_tokens": ["<ent>", "two"]}},
    "additional_special_tokens of both files": bert | {
        "vocab.txt": vocab, "tokenizer_config.json": {"additional_special_tokens": ["<extra>"]},
        "special_tokens_map.json": {"additional_special_tokens": ["[ENT]"]}},
    "extra_special_tokens of both files": bert | {
        "vocab.txt": vocab, "tokenizer_config.json": {"extra_special_tokens": ["<extra>"]},
        "special_tokens_map.json": {"extra_special_tokens": ["<w>", "<extra>"]}},
    "extra_special_tokens by name": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "extra_special_tokens": {"image_token": "<w>"}, "additional_special_tokens": ["<l>"], "video_token": "<r>"}},
    "added_tokens.json with names": bert | {
        "vocab.txt": vocab, "added_tokens.json": {"[MASK]": 4, "[ENT]": n, "<extra>": n + 1, "<l>": n + 2},
        "tokenizer_config.json": {"extra_special_tokens": ["<extra>"], "sep_token": "[SEP]"},
        "special_tokens_map.json": {"additional_special_tokens": ["<l>"]}},
    "marian": marian,
    "R06": marian | {"added_tokens.json": {"<ent>": 226}},
    "R22": marian | {"target_vocab.json": {"marian": "separate_vocab.json"},
                     "tokenizer_config.json": {"tokenizer_class": "MarianTokenizer", "separate_vocabs": False}},
    "marian, separate": marian | {"target_vocab.json": {"marian": "separate_vocab.json"},
                                  "tokenizer_config.json": {"separate_vocabs": True}},
    "marian, flags": marian | {"tokenizer_config.json": {"tokenizer_class": "MarianTokenizer", "added_tokens_decoder": {
        "226": added("<w>", single_word=True), "227": added("<l>", lstrip=True), "228": added("<r>", rstrip=True),
        "229": added("<ent>", special=True)}}},
    "marian, names": marian | {"tokenizer_config.json": {"eos_token": "<s>", "additional_special_tokens": ["<ent>"],
                                                         "bos_token": "<eos>"}},
}
refused = {
    "t5, extra ids that are not all": of("t5", "t5", {}) | {
        "special_tokens_map.json": {"additional_special_tokens": ["<extra_id_1>"]}},
    "R04": bert | {"vocab.txt": vocab, "tokenizer_config.json": {
        "tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}},
}


def content(value):
    if not isinstance(value, dict):
        return value
    if "copy" in value:
        return (golden / value["copy"] / "tokenizer.json").read_text()
    if "vocab_of" in value or "merges_of" in value:
        model = json.loads((golden / list(value.values())[0] / "tokenizer.json").read_text())["model"]
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        return json.dumps(model["vocab"]) if "vocab_of" in value else "#version: 0.2\n" + "\n".join(merges) + "\n"
    return json.dumps(value)


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, value in files.items():
            if isinstance(value, dict) and "marian" in value:
                shutil.copy(here / "marian_tokenizer" / value["marian"], os.path.join(folder, name))
            else:
                pathlib.Path(folder, name).write_text(content(value))
        if "config.json" not in files:
            pathlib.Path(folder, "config.json").write_text("{}")
            if "tokenizer_config.json" not in files:
                from transformers import BertTokenizer
                tokenizer = BertTokenizer.from_pretrained(folder)
            else:
                tokenizer = AutoTokenizer.from_pretrained(folder)
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder)
        kind = sentences if "source.spm" in files else texts if ("vocab.txt" in files or isinstance(
            files.get("tokenizer.json"), dict) and "model" in files["tokenizer.json"] and "albert" not in str(
            files["config.json"] if "config.json" in files else "")) else plain
        translates = files.get("config.json", {}).get("model_type") in ("mbart", "m2m_100")
        kind = languages if translates else plain if files.get("tokenizer.json") is stars else kind
        lines, fast = [], tokenizer.is_fast
        for text in kind:
            pair = isinstance(text, list)
            made = tokenizer(*text) if pair else tokenizer(text)
            line = {"text": text, "ids": made["input_ids"], "decoded": tokenizer.decode(made["input_ids"], skip_special_tokens=True),
                    "decoded_special": tokenizer.decode(made["input_ids"])}
            if translates and not pair:
                line["target_ids"] = tokenizer(text_target=text)["input_ids"]
            if fast:
                encoding = made._encodings[0] if made._encodings else None
                line |= {"tokens": encoding.tokens, "offsets": encoding.offsets, "type_ids": encoding.type_ids,
                         "word_ids": [-1 if word is None else word for word in encoding.word_ids]}
            elif not pair:
                line["target_ids"] = tokenizer(text_target=text)["input_ids"]
            lines.append(line)
        return lines


def make_bpe():
    """A SentencePiece model of pairs with bytes for what is unknown, as Llama 2 has it."""
    import io

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    target = here / "marian_tokenizer" / "bpe.model"
    if target.exists():
        return
    pages = [line for line in (here.parent.parent / "README.md").read_text().splitlines() if line.strip()]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(pages + [plain[2], plain[4]] * 20), model_writer=model, model_type="bpe", vocab_size=500,
        byte_fallback=True, user_defined_symbols=["<user>"], normalization_rule_name="identity", minloglevel=2)  # fmt: skip
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    proto.trainer_spec.ClearField("model_prefix")
    target.write_bytes(proto.SerializeToString())


def main():
    make_bpe()
    made = []
    for name, files in cases.items():
        try:
            made.append({"name": name, "files": files, "lines": run(files)})
        except Exception as error:  # what the reference does not open
            print(name, "FAILS:", type(error).__name__, str(error)[:200])
    for name, files in refused.items():
        made.append({"name": name, "files": files, "refused": "BertJapaneseTokenizer" if name == "R04" else "extra_ids"})
    with open(here / "tokenizer_folders.json", "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in made) + "\n]\n")


main()
