"""Writes what score_heads must print, computed by Transformers in double precision.

    python3 tests/programs/score_heads_reference.py > tests/programs/score_heads_reference.csv
"""
import json
import pathlib

import torch
from transformers import MarianMTModel

FOLDER = pathlib.Path("examples/models/g2p")
END, START, LAYERS, HEADS = 0, 68, 3, 4
vocabulary = json.loads((FOLDER / "vocab.json").read_text())
names = {index: name for name, index in vocabulary.items()}
model = MarianMTModel.from_pretrained(FOLDER, attn_implementation="eager", dtype=torch.float64).eval()


def encoded(word):
    ids = [vocabulary[letter] for letter in word] + [END]
    return ids, model.generate(torch.tensor([ids]), num_beams=1, do_sample=False)[0].tolist()[1:]


def forced(ids, target):
    with torch.no_grad():
        result = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[START] + target[:-1]]),
                       output_attentions=True)
    log_probs = torch.log_softmax(result.logits[0], -1)
    return result.cross_attentions, [log_probs[t, one].item() for t, one in enumerate(target)]


def distraction(rows):
    apart = rows - 1 / rows.shape[1]
    return -((apart**4).mean(1) / (apart**2).mean(1) ** 2).mean().item()


def scores(weights, ids, target):
    """Coverage, confidence, entropy, distraction."""
    words, symbols = len(ids) - 1, len(target) - (target[-1] == END)
    return (-(weights[:, :words].sum(0).clamp(max=1) + 1e-8).log().mean().item(),
            weights[:symbols, :words].max(1).values.mean().item(),
            -(weights * weights.log()).sum(1).mean().item(), distraction(weights))  # fmt: skip


def by_score(maps, ids, target, row=None):
    all_scores = [scores(maps[layer][0, head][slice(row, row if row is None else row + 1)], ids, target)
                  for layer in range(LAYERS) for head in range(HEADS)]  # fmt: skip
    return [[one[kind] for one in all_scores] for kind in range(4)]


def show(*fields):
    print(",".join(format(one, ".8g") if isinstance(one, float) else str(one) for one in fields))


def area(values, wrong):
    hits = [value for value, bad in zip(values, wrong) if bad]
    misses = [value for value, bad in zip(values, wrong) if not bad]
    return sum((a > b) + 0.5 * (a == b) for a in hits for b in misses) / (len(hits) * len(misses))


def show_row():
    ids, target = encoded("radium")
    maps, log_probs = forced(ids, target)
    show("row", *sum(by_score(maps, ids, target), []), -sum(log_probs) / len(log_probs))
    token = by_score(maps, ids, target[2:3], row=2)
    show("token", 0, 2, names[target[2]], *sum(token[1:], []), -log_probs[2])


def show_ablation():
    data = [encoded(word) for word in ("radium", "vitrine", "anhydride")]
    count = sum(len(target) for _, target in data)

    def total():
        return sum(sum(forced(*one)[1]) for one in data)

    before = total()
    for kind in ("encoder", "decoder", "cross"):
        for layer in range(LAYERS):
            part = (model.model.encoder if kind == "encoder" else model.model.decoder).layers[layer]
            attention = part.encoder_attn if kind == "cross" else part.self_attn
            for head in range(HEADS):

                def switch_off(_, given, width=attention.head_dim, head=head):
                    context = given[0].clone()
                    context[..., head * width : (head + 1) * width] = 0
                    return (context,)

                hook = attention.out_proj.register_forward_pre_hook(switch_off)
                change = total() - before
                hook.remove()
                show("ablate", kind, layer, head, change / len(data), change / count)


def show_areas():
    columns, wrong = [], []
    for line in (FOLDER / "words.tsv").read_text().splitlines()[:120]:
        word, reference = line.split("\t")
        ids, target = encoded(word)
        maps, log_probs = forced(ids, target)
        coverage, confidence, entropy, flatness = (sum(one) / len(one) for one in by_score(maps, ids, target))
        columns.append([coverage, -confidence, entropy, flatness, -sum(log_probs) / len(log_probs), len(ids)])
        wrong.append(" ".join(names[one] for one in target if one != END) != reference)
    kinds = ("coverage", "confidence", "entropy", "distraction", "negative_log_probability", "source_length")
    for kind, values in zip(kinds, zip(*columns)):
        show("auc", kind, "", "", area(values, wrong), area(values[::2], wrong[::2]), area(values[1::2], wrong[1::2]))


if __name__ == "__main__":
    show_row()
    show_ablation()
    show_areas()
