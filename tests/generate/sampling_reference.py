"""What Transformers' warpers make of logits: writes sampling_reference.json beside this file.

    pip install torch==2.13.0 transformers==5.23.0
    python3 tests/generate/sampling_reference.py
"""
import json
import pathlib

import torch
from transformers.generation import logits_process as warpers

torch.manual_seed(7)
cases = []
for width, spread in ((7, 1.0), (61, 2.0), (97, 5.0), (300, 0.5)):
    logits = (spread * torch.randn(1, width)).float()
    sequence = torch.randint(0, width, (1, 9))
    for name, made in {
        "temperature": warpers.TemperatureLogitsWarper(0.7),
        "top_k": warpers.TopKLogitsWarper(top_k=5),
        "top_p": warpers.TopPLogitsWarper(top_p=0.8),
        "min_p": warpers.MinPLogitsWarper(min_p=0.1),
        "typical_p": warpers.TypicalLogitsWarper(mass=0.6),
        "repetition_penalty": warpers.RepetitionPenaltyLogitsProcessor(penalty=1.3),
    }.items():
        value = {"temperature": 0.7, "top_k": 5, "top_p": 0.8, "min_p": 0.1, "typical_p": 0.6, "repetition_penalty": 1.3}[name]
        scores = made(sequence, logits.clone())
        cases.append({"options": {name: value}, "sequence": sequence[0].tolist(), "logits": logits[0].tolist(),
                      "probabilities": torch.softmax(scores.double(), -1)[0].tolist()})
    chain = [warpers.RepetitionPenaltyLogitsProcessor(penalty=1.2), warpers.TemperatureLogitsWarper(1.4),
             warpers.TopKLogitsWarper(top_k=6), warpers.TopPLogitsWarper(top_p=0.9), warpers.MinPLogitsWarper(min_p=0.05),
             warpers.TypicalLogitsWarper(mass=0.95)]
    scores = logits.clone()
    for step in chain:
        scores = step(sequence, scores)
    cases.append({"options": {"repetition_penalty": 1.2, "temperature": 1.4, "top_k": 6, "top_p": 0.9, "min_p": 0.05,
                              "typical_p": 0.95},
                  "sequence": sequence[0].tolist(), "logits": logits[0].tolist(),
                  "probabilities": torch.softmax(scores.double(), -1)[0].tolist()})
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
