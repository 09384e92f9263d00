#!/usr/bin/env python3
"""From a MarianMT folder to outputs, alignments and a page: python3 examples/python/maps_of_folder.py [FOLDER TEXT]."""

import sys

import vitrine


def main(folder: str = "examples/models/g2p", text: str = "anhydride", page: str = "folder.html") -> None:
    model = vitrine.load(folder)
    best = model.generate(text, num_beams=4, keep="weights")[0][0]
    print(best.text)
    rows, columns = len(best.ids) - 1, len(best.source_ids) - 1  # without the end marks
    for layer, maps in enumerate(best.cross_attn):
        sure = [vitrine.inspect.confidence(head, rows, columns) for head in maps]
        head = max(range(len(sure)), key=sure.__getitem__)
        links = vitrine.inspect.hard_links(maps[head], rows, columns)
        print(f"layer {layer}, head {head}, confidence {sure[head]:.2f}: {vitrine.inspect.pharaoh(links)}")
    best.save(page, title=text)


if __name__ == "__main__":
    main(*sys.argv[1:])
