#!/usr/bin/env python3
"""Which atom of the product was which one before: what one head of RXNMapper's ALBERT sees in a reaction.

    python3 examples/python/atom_mapping.py FOLDER REACTION [PAGE.html]      # examples/atom_mapping.md gets the folder

The reaction is SMILES, reactants>>product. Layer and head are those of Schwaller et al. 2021, counted from 0.
"""

import pathlib
import re
import sys

import numpy as np
import vitrine

LAYER, HEAD = 10, 5
# One token of SMILES, as the model was trained on them; what begins with a letter, or with [ and a letter, is an atom.
TOKEN = re.compile(r"\[[^\]]+]|Br?|Cl?|[NOSPFIbcnops().=#\-+\\/:~@?*$]|>>?|%[0-9]{2}|[0-9]")


def read(folder: str, reaction: str) -> "tuple[list[str], list[int]]":
    """A reaction's tokens and their ids, which are the lines of vocab.txt."""
    vocabulary = pathlib.Path(folder, "vocab.txt").read_text(encoding="utf-8").splitlines()
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokens = ["[CLS]", *TOKEN.findall(reaction), "[SEP]"]
    return tokens, [ids.get(token, ids["[UNK]"]) for token in tokens]


def heatmap(weights: np.ndarray, rows: "list[str]", columns: "list[str]") -> str:
    """A line for each row; the darker, the larger the weight; at its end the column with the largest, counted from 0."""
    wide = max(map(len, columns))
    lines = [" ".join(f"{name:>{wide}}"[i] for name in columns) for i in range(wide)]
    lines = [f"{'':6}{line}" for line in lines]
    for name, row in zip(rows, weights):
        shades = " ".join("·░▒▓█"[min(4, int(4 * weight + 0.75))] for weight in row)
        best = int(row.argmax())
        lines.append(f"{name:<6}{shades}   {best:>2} {columns[best]:<5}{row[best]:.2f}")
    return "\n".join(lines)


def main(folder: str, reaction: str, page: str = "") -> None:
    tokens, ids = read(folder, reaction)
    result = vitrine.load(folder)(ids, layers=[LAYER], heads=[HEAD])
    atoms = [i for i, token in enumerate(tokens) if re.match(r"\[?[A-Za-z]", token) and token not in ("[CLS]", "[SEP]")]
    arrow = tokens.index(">>")
    product, reactants = [i for i in atoms if i > arrow], [i for i in atoms if i < arrow]
    weights = result.self_attn[LAYER][0, 0][np.ix_(product, reactants)]  # the one head that was kept
    print(heatmap(weights, [tokens[i] for i in product], [tokens[i] for i in reactants]))
    if page:
        result.save(page, tokens=tokens, title=reaction)


if __name__ == "__main__":
    main(*sys.argv[1:])
