#!/usr/bin/env python3
"""What Transformers finds with the trained model under many rules of generation.

    python3 tests/generate/transformers_reference.py > tests/generate/transformers_reference.json      (torch, transformers)

[{"config": {...}, "found": [[[ids of a hypothesis, without the start]...] of each word], "scores": the same or null}...]
"""

import json
import pathlib
import sys

import torch
from transformers import GenerationConfig, MarianMTModel

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples/models/g2p"
WORDS = slice(100, 108)  # of words.tsv
vocabulary = json.loads((FOLDER / "vocab.json").read_text())
PAD, END = 68, 0
AH, IH, R, EY, S, T, N, K = (vocabulary[name] for name in ("AH", "IH", "R", "EY", "S", "T", "N", "K"))
CONFIGS = [
    dict(num_beams=4, num_return_sequences=3, length_penalty=2.0, early_stopping=True, max_new_tokens=12),
    dict(num_beams=4, num_return_sequences=4, length_penalty=-1.0, early_stopping=False, max_new_tokens=12),
    dict(num_beams=3, num_return_sequences=3, no_repeat_ngram_size=1, max_new_tokens=15),
    dict(num_beams=1, no_repeat_ngram_size=1, max_new_tokens=20),
    dict(num_beams=4, num_return_sequences=2, bad_words_ids=[[AH], [R, EY], [S, T, AH]], max_new_tokens=20),
    dict(num_beams=1, bad_words_ids=[[AH], [IH]], min_new_tokens=9, max_new_tokens=14),
    dict(num_beams=4, num_return_sequences=4, min_length=8, max_length=12),
    dict(num_beams=4, num_return_sequences=2, forced_bos_token_id=K, max_new_tokens=10),
    dict(num_beams=1, forced_bos_token_id=K, max_length=6),
    dict(num_beams=4, num_return_sequences=4, eos_token_id=[END, T, S], max_new_tokens=12),
    dict(num_beams=1, eos_token_id=[END, T, N], max_new_tokens=12),
    dict(num_beams=5, num_return_sequences=5, renormalize_logits=True, no_repeat_ngram_size=2, length_penalty=0.6,
         max_new_tokens=9),
    dict(num_beams=2, num_return_sequences=2, early_stopping="never", length_penalty=1.5, max_new_tokens=16),
]  # fmt: skip


def main():
    model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32).double().eval()
    base = json.loads((FOLDER / "generation_config.json").read_text())
    words = [line.split("\t")[0] for line in (FOLDER / "words.tsv").read_text().splitlines()[WORDS]]
    sources = [[vocabulary[letter] for letter in word.lower()] + [END] for word in words]
    longest = max(map(len, sources))
    ids = torch.tensor([source + [PAD] * (longest - len(source)) for source in sources])
    cases = []
    for config in CONFIGS:
        model.generation_config = GenerationConfig.from_dict({**base, **config})
        result = model.generate(
            input_ids=ids, attention_mask=(ids != PAD).long(), return_dict_in_generate=True, output_scores=True
        )
        count = config.get("num_return_sequences", 1)
        rows = [[i for i in row[1:] if i != PAD] for row in result.sequences.tolist()]
        scores = None
        if config["num_beams"] > 1:
            values = result.sequences_scores.tolist()
            scores = [values[i : i + count] for i in range(0, len(rows), count)]
        found = [rows[i : i + count] for i in range(0, len(rows), count)]
        cases.append({"config": config, "found": found, "scores": scores})
        print(config, file=sys.stderr)
    print("[" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "]")


if __name__ == "__main__":
    main()
