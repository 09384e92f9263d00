#!/usr/bin/env python3
"""The page in headless Chromium: looks, values, mouse, keys, sentences, files, addresses, comparing, searching, hostile tokens, large pages.

    page_browser.py DEMO_PAGES [--shots FOLDER]

DEMO_PAGES is the program built from demo_pages.cpp. Exit 0: all passed; 1: a check failed; 77: Chromium or websocket-client is absent.
"""
import argparse
import array
import csv
import html
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

try:
    from devtools import LIMIT, Browser, find_chromium
except ImportError as error:
    print(f"skipped: {error} (pip install websocket-client, or Debian's python3-websocket)")
    sys.exit(77)

failures = 0


def check(passed, what):
    global failures
    if not passed:
        failures += 1
        print("FAILED:", what)
    return passed


class Page:
    """A demo page, and the true weights of its kept maps in the page's order."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name + ".html")
        self.truth = array.array("f")
        with open(os.path.join(folder, name + ".f32"), "rb") as file:
            self.truth.frombytes(file.read())

    def row(self, browser, i):
        """The true weights of row i of the map that the page shows."""
        offset, columns = browser.run("""(() => {
            let offset = 0;
            for (const example of page.examples) for (const group of example.groups) {
              const size = group.queries.length * group.keys.length;
              if (group === currentGroup()) return [offset + size * group.slots[headIndex(group, state.layer, state.head)], group.keys.length];
              offset += size * group.kept.length;
            }
        })()""")
        return self.truth[offset + i * columns:offset + (i + 1) * columns]


def clean(browser, page, what):
    check(browser.requests == ["file://" + page.path], f"{what}: fetched {browser.requests}")
    check(browser.problems == [], f"{what}: console says {browser.problems}")


def cell_point(browser, i, j):
    return browser.run(f"""(() => {{ const {{left, top, cell}} = heat.layout(currentGroup()); const box = picture.getBoundingClientRect();
        return [box.left + left + ({j} + 0.5) * cell - scroller.scrollLeft, box.top + top + ({i} + 0.5) * cell - scroller.scrollTop]; }})()""")


def check_values(browser, page, name, count=12):
    rows, columns = browser.run("[currentGroup().rows, currentGroup().columns]")
    browser.run("scroller.scrollIntoView({block: 'end'})")
    for _ in range(count):
        i, j = random.randrange(rows), random.randrange(columns)
        browser.run(f"choose({i}, {j}); heat.show(currentGroup()); choose(null, null)")
        browser.settle()
        browser.move(*cell_point(browser, i, j))
        shown = browser.run("({...byId('readout').dataset, text: document.querySelector('#readout b')?.textContent})")
        if not check((shown.get("row"), shown.get("column")) == (str(i), str(j)), f"{name}: pointing at ({i}, {j}) says {shown}"):
            return
        row = page.row(browser, i)
        for number in (float(shown["value"]), float(shown["text"])):
            check(abs(number - row[j]) <= max(row) / 255, f"{name}: ({i}, {j}) shows {number}, is {row[j]}, row's largest {max(row)}")


def check_figures(browser, page, name):
    """The figures of every head, stored or computed in the page, beside those of the true weights."""
    rows, columns, kept, heads = browser.run("(({rows, columns, kept, heads}) => [rows, columns, kept, heads])(currentGroup())")
    for index in kept:
        browser.run(f"chooseHead({index // heads}, {index % heads})")
        true = [0.0] * 8
        for i in range(rows):
            row = page.row(browser, i)
            share = lambda j: row[j] if 0 <= j < columns else 0
            for k, figure in enumerate((-sum(w * math.log(w) for w in row if w > 0), max(row), share(i), share(i - 1), share(i + 1), row[0], row[-1],
                                        sum(w * abs(i - j) for j, w in enumerate(row)))):
                true[k] += figure / rows
        shown = [float(text) for text in browser.run("[...document.querySelectorAll('#figures dd')].map(node => node.textContent)")]
        check(len(shown) == 8 and all(abs(a - b) <= 0.01 for a, b in zip(shown, true)), f"{name}: the figures of map {index} are {shown}, should be {true}")


def check_looks(browser, folder, shots):
    for name in ("words", "sentence", "hostile", "reduced"):
        page = Page(folder, name)
        for width, height in ((1200, 900), (400, 800)):
            for dark in (False, True):
                what = f"{name} {width} {'dark' if dark else 'light'}"
                browser.open(page.path, width, height, dark)
                for view in ("heat", "lines"):
                    browser.run(f"chooseView('{view}')")
                    browser.settle()
                    check(browser.run("document.documentElement.scrollWidth <= innerWidth"), f"{what} {view}: the page is wider than the window")
                    check(browser.run("picture.clientWidth === scroller.clientWidth && picture.clientHeight === scroller.clientHeight"),
                          f"{what} {view}: the canvas does not fill its frame")
                    check(browser.run("""(() => {
                        const copy = new OffscreenCanvas(picture.width, picture.height), context = copy.getContext('2d', {willReadFrequently: true});
                        context.drawImage(picture, 0, 0);
                        return new Set(new Uint32Array(context.getImageData(0, 0, picture.width, picture.height).data.buffer)).size;
                    })()""") > 8, f"{what} {view}: nothing is drawn")
                    if shots:
                        browser.shot(os.path.join(shots, f"{what} {view}.png".replace(" ", "_")))
                        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
                check(browser.run("isDark()") == dark, f"{what}: does not follow the system")
                clean(browser, page, what)


def luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def check_colours(browser, page):
    """Luminance must be strictly ordered, also as seen without red or green cones (Machado, Oliveira and Fernandes 2009)."""
    browser.open(page.path)
    eyes = {"all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
            "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]}
    for theme in ("light", "dark"):
        ramp = browser.run(f"page.ramps.{theme}")
        for eye, matrix in eyes.items():
            seen = []
            for k in range(0, 256, 5):
                rgb = [int(ramp[6 * k + at:6 * k + at + 2], 16) / 255 for at in (0, 2, 4)]
                seen.append(luminance([min(1, max(0, sum(m * c for m, c in zip(row, rgb)))) for row in matrix]))
            rising = seen if theme == "dark" else seen[::-1]
            check(all(a < b for a, b in zip(rising, rising[1:])), f"the {theme} ramp is not ordered for {eye} vision")


def check_mouse(browser, page):
    browser.open(page.path)
    check(browser.run("(group => sharpest(group) === headIndex(group, state.layer, state.head) && group.kept.every((_, slot) => "
                      "storedFigures(group, slot)[0] >= storedFigures(group, sharpest(group))[0]))(currentGroup())"), "begins with the sharpest head")
    browser.click_on('#grid [data-layer="2"][data-head="1"]')
    check(browser.run("byId('where').textContent") == "cross · layer 2 · head 1", "a click in the overview shows that head")
    browser.click_on('#grid [data-layer="2"][data-head="4"]')
    check(browser.run("byId('where').textContent") == "cross · layer 2 · mean of heads", "the last column is the mean")
    mean = browser.run("(() => { const g = currentGroup(); return [0, 1, 2, 3].reduce((sum, h) => sum + valueAt(g, mapOf(g, 2, h), 3, 2), 0) / 4 - "
                       "valueAt(g, mapOf(g, 2, 4), 3, 2); })()")
    check(abs(mean) < 1 / 510 + 1e-6, "the mean is the mean")
    browser.click_on("#tabs button:nth-child(3)")
    check(browser.run("currentGroup().kind") == "decoder", "a click on a tab")
    browser.click_on("#tabs button:nth-child(1)")
    browser.run("chooseHead(1, 2)")
    browser.run("scroller.scrollIntoView({block: 'end'})")
    browser.click(*cell_point(browser, 3, 4))
    check(browser.run("[state.row, state.column]") == [3, 4], "a click holds a cell")
    check(browser.run("document.querySelectorAll('#strongest .bar').length") > 1, "its strongest keys are listed")
    browser.click(*cell_point(browser, 3, 4))
    check(browser.run("[state.row, state.column]") == [None, None], "a second click lets go")
    for name, value in (("row", "row’s largest"), ("one", "1"), ("map", None)):
        browser.run(f"byId('scale').value = '{name}'; byId('scale').dispatchEvent(new Event('change'))")
        check(value is None or browser.run("byId('legend-end').textContent") == value, f"the scale {name}")
    browser.click_on("#lift")
    check(browser.run("state.lift"), "small weights can be lifted")
    browser.click_on("#view-lines")
    check(browser.run("byId('fewer').hidden && lines.drawn > 9"), "a small map has all of its lines")
    browser.run("scroller.scrollIntoView({block: 'end'})")
    point = browser.run("(() => { const {left, row, top} = lines.layout(currentGroup()), box = picture.getBoundingClientRect(); return [box.left + left - 20, box.top + top + 5.5 * row]; })()")
    browser.click(*point)
    check(browser.run("[state.row, state.column]") == [5, None], "a click on a token holds it")
    point[0] += browser.run("(() => { const {left, right} = lines.layout(currentGroup()); return right - left + 40; })()")
    browser.move(*point)
    shown = browser.run("({...byId('readout').dataset})")
    row = page.row(browser, 5)
    check(shown["row"] == "5" and shown["column"] == "5" and abs(float(shown["value"]) - row[5]) <= max(row) / 255, f"then a key shows the pair's weight: {shown}")
    browser.click_on("#view-heat")
    size = browser.run("heat.layout(currentGroup()).cell")
    browser.click_on("#zoom-in")
    check(browser.run("heat.layout(currentGroup()).cell") > size, "zoom in")
    browser.click_on("#zoom-fit")
    check(browser.run("heat.layout(currentGroup()).cell") == size, "zoom fits again")
    browser.run("scroller.scrollIntoView({block: 'end'})")
    x, y = cell_point(browser, 2, 2)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-120, modifiers=2)
    check(browser.wait(f"heat.layout(currentGroup()).cell > {size}"), "Ctrl and the wheel zoom")
    dark = browser.run("isDark()")
    browser.click_on("#theme")
    check(browser.run("isDark()") != dark, "the theme turns")
    browser.click_on("#example-after")
    check(browser.run("[state.example, currentGroup().queries.length]") == [1, 7], "the next example")
    check(browser.run("byId('table-details').open"), "the figures of all heads are shown where there is room")
    browser.click_on("th:nth-child(4) button")
    check(browser.run("[...document.querySelectorAll('tbody tr')].map(row => row.children[3].textContent)") ==
          sorted(browser.run("[...document.querySelectorAll('tbody tr')].map(row => row.children[3].textContent)"), reverse=True), "the table sorts")
    browser.click_on("tbody tr:nth-child(3)")
    check(browser.run("document.querySelector('tr.chosen') === document.querySelector('tbody tr:nth-child(3)')"), "a row of the table shows its head")
    browser.click_on("#help-open")
    check(browser.run("byId('help').open"), "help opens")
    browser.click_on("#help-close")
    check(not browser.run("byId('help').open"), "help closes")
    clean(browser, page, "mouse")


def check_keys(browser, page):
    browser.open(page.path)
    browser.run("chooseHead(1, 1)")
    for key, shift, expression, value in (
            ("ArrowRight", True, "[state.layer, state.head]", [1, 2]), ("ArrowDown", True, "[state.layer, state.head]", [2, 2]),
            ("ArrowUp", True, "[state.layer, state.head]", [1, 2]), ("ArrowLeft", True, "[state.layer, state.head]", [1, 1]),
            ("ArrowDown", False, "[state.row, state.column]", [0, 0]), ("ArrowDown", False, "[state.row, state.column]", [1, 0]),
            ("ArrowRight", False, "[state.row, state.column]", [1, 1]), ("ArrowUp", False, "[state.row, state.column]", [0, 1]),
            ("ArrowUp", False, "[state.row, state.column]", [0, 1]), ("Escape", False, "[state.row, state.column]", [None, None]),
            ("v", False, "state.view", "lines"), ("ArrowDown", False, "[state.row, state.column]", [0, None]),
            ("ArrowDown", False, "[state.row, state.column]", [1, None]), ("ArrowRight", False, "[state.row, state.column]", [None, 1]),
            ("ArrowDown", False, "[state.row, state.column]", [None, 2]), ("ArrowLeft", False, "[state.row, state.column]", [2, None]),
            ("v", False, "state.view", "heat"), ("+", False, "state.zoom > 0", True), ("0", False, "state.zoom", None),
            ("2", False, "currentGroup().kind", "encoder"), ("3", False, "currentGroup().kind", "decoder"), ("1", False, "currentGroup().kind", "cross"),
            ("9", False, "currentGroup().kind", "cross"), ("n", False, "state.example", 1), ("p", False, "state.example", 0), ("p", False, "state.example", 0),
            ("t", False, "isDark()", True), ("t", False, "isDark()", False), ("?", False, "byId('help').open", True)):
        browser.press(key, shift)
        found = browser.run(expression)
        check(found == value, f"key {'Shift ' if shift else ''}{key}: {expression} is {found}, not {value}")
    browser.run("byId('help').close()")
    browser.run("""document.querySelector('#grid [tabindex="0"]').focus()""")
    browser.press("ArrowRight")
    check(browser.run("[state.head, document.activeElement.dataset.head]") == [2, "2"], "arrows move in the overview")
    browser.run("""document.querySelector('#tabs [tabindex="0"]').focus()""")
    for key, kind in (("ArrowRight", "encoder"), ("ArrowRight", "decoder"), ("ArrowRight", "cross"), ("ArrowLeft", "decoder"), ("Home", "cross"),
                      ("End", "decoder"), ("2", "encoder"), ("ArrowLeft", "cross")):
        browser.press(key)
        found = browser.run("[currentGroup().kind, document.activeElement.textContent, document.activeElement.getAttribute('aria-selected')]")
        check(found == [kind, kind, "true"], f"key {key} on a tab: {found}, not {kind}")
    browser.run("document.querySelectorAll('#tabs button')[1].focus()")
    browser.press("Enter")
    check(browser.run("[currentGroup().kind, document.activeElement.textContent]") == ["encoder", "encoder"], "Enter on a tab keeps the focus there")
    browser.run("byId('table-details').open = true")
    browser.settle()
    browser.run("document.querySelector('th:nth-child(4) button').focus()")
    browser.press("Enter")
    check(browser.run("document.activeElement === document.querySelector('th:nth-child(4)[aria-sort=descending] button')"), "Enter on a heading keeps the focus there")
    browser.run("document.querySelector('tbody tr:nth-child(5) button').focus()")
    browser.press("Enter")
    check(browser.run("document.activeElement.closest('tr') === document.querySelector('tr.chosen') && document.activeElement.ariaCurrent === 'true'"),
          "Enter on a row of the table shows its head")
    clean(browser, page, "keys")


COLOURS = "(steps => [...pane.sentence.querySelectorAll(`[data-side=${steps}] .token`)].map(one => one.style.background))"


def colours_of(browser, expression, count):
    """What `expression`, a step for each k, has as colours, as the style of an element would say."""
    return browser.run(f"""(() => {{ const probe = make('span');
        return Array.from({{length: {count}}}, (_, k) => {{ probe.style.background = palette().names[{expression}]; return probe.style.background; }}); }})()""")


def check_sentence(browser, page):
    """The sentences above the map: keys have the colours of the chosen query's weights, queries those of the chosen key's."""
    browser.open(page.path, 1280, 900)
    rows, columns = browser.run("[currentGroup().rows, currentGroup().columns]")
    texts = browser.run("[...pane.sentence.querySelectorAll('.token')].map(one => one.textContent)")
    check(texts == browser.run("[...currentGroup().queries, ...currentGroup().keys].map(visible)"), "both sentences stand there whole")
    mean = "Math.round(255 * received(currentGroup(), chosenMap(currentGroup()))[k] / currentGroup().rows / chosenMap(currentGroup()).largest)"
    check(browser.run(COLOURS + "('key')") == colours_of(browser, mean, columns), "without a choice keys have the colour of their mean weight")
    received = browser.run("[...received(currentGroup(), chosenMap(currentGroup()))]")
    for j in range(columns):
        true = sum(page.row(browser, i)[j] for i in range(rows))
        check(abs(received[j] - true) <= sum(max(page.row(browser, i)) for i in range(rows)) / 255, f"key {j} receives {received[j]}, truly {true}")
    for i in (3, 0, rows - 1):
        browser.run(f"choose({i}, null)")
        browser.settle()
        check(browser.run(COLOURS + "('key')") == colours_of(browser, f"stepAt(currentGroup(), chosenMap(currentGroup()), {i}, k)", columns), f"query {i} colours the keys")
        check(browser.run("[...pane.sentence.querySelectorAll('.marked')].map(one => [one.parentNode.dataset.side, one.dataset.k])") == [["query", str(i)]], f"query {i} is marked")
        check(set(browser.run(COLOURS + "('query')")) == {""}, "and no query has a colour")
    browser.run("choose(null, 2)")
    browser.settle()
    check(browser.run(COLOURS + "('query')") == colours_of(browser, "stepAt(currentGroup(), chosenMap(currentGroup()), k, 2)", rows), "a key colours the queries")
    browser.run("choose(null, null)")
    browser.click_on("#pane [data-side=query] .token:nth-child(6)")
    check(browser.run("[state.row, state.column]") == [5, None], "a click on a query of the sentence holds it")
    browser.click_on("#pane [data-side=key] .token:nth-child(4)")
    check(browser.run("[state.row, state.column]") == [5, 3], "a key then names the pair")
    value = float(browser.run("byId('readout').dataset.value"))
    check(abs(value - page.row(browser, 5)[3]) <= max(page.row(browser, 5)) / 255, f"whose weight is shown: {value}")
    clean(browser, page, "sentence")


def check_export(browser, page, folder):
    browser.open(page.path, 1280, 900)
    browser.run("chooseHead(1, 2); choose(3, 4)")
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
    name = os.path.join(folder, "anhydride_cross_layer_1_head_2.")
    for ending in ("svg", "png", "csv"):
        browser.click_on(f"#save-{ending}")
        start = time.time()
        while not os.path.exists(name + ending) and time.time() - start < LIMIT:
            time.sleep(0.05)
    with open(name + "csv", encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    keys = browser.run("currentGroup().keys.map((text, k) => `${k} ${text}`)")
    check(table[0] == ["query"] + keys and len(table) == 10, f"CSV begins with the keys: {table[0]}")
    for i, (query, *weights) in enumerate(table[1:]):
        row = page.row(browser, i)
        check(query == browser.run(f"`{i} ${{currentGroup().queries[{i}]}}`"), f"CSV: {query}")
        check(all(abs(float(a) - b) <= max(row) / 255 for a, b in zip(weights, row)) and len(weights) == len(row), f"CSV: row {i}: {weights}")
    with open(name + "png", "rb") as file:
        check(file.read(8) == b"\x89PNG\r\n\x1a\n", "PNG is one")
    for view in ("heat", "lines"):
        browser.run(f"chooseView('{view}')")
        tree = xml.etree.ElementTree.fromstring(browser.run("mapSvg()"))
        texts = [node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")]
        check(texts[0] == "anhydride · cross · layer 1 · head 2" and set(keys) <= set(texts) and "3 AY" in texts, f"SVG ({view}) names what it shows: {texts}")
    with open(name + "svg", encoding="utf-8") as file:
        text = file.read()
        frame = re.search(r"translate\((\S+) (\S+)\) scale\((\S+)\)", text)
    browser.run("chooseView('heat')")
    check(text == browser.run("mapSvg()"), "the saved SVG is that picture")
    left, top, cell = map(float, frame.groups())
    wrong = browser.run(f"""(async () => {{
        const picture = await createImageBitmap(await mapPng()), canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext('2d', {{willReadFrequently: true}});
        context.drawImage(picture, 0, 0);
        const group = currentGroup(), map = chosenMap(group), wrong = [];
        for (let i = 0; i < group.rows; ++i) for (let j = 0; j < group.columns; ++j) {{
          const [r, g, b] = context.getImageData(2 * ({left} + (j + 0.5) * {cell}), 2 * ({top} + (i + 0.5) * {cell}), 1, 1).data;
          const found = '#' + [r, g, b].map(part => part.toString(16).padStart(2, '0')).join('');
          if (found !== palette().names[stepAt(group, map, i, j)]) wrong.push([i, j, found]);
        }}
        return wrong; }})()""")
    check(wrong == [], f"SVG and PNG have the page's colours: {wrong[:5]}")
    check(browser.problems == [], f"export: {browser.problems}")


def check_address(browser, page):
    browser.open(page.path)
    check(browser.run("location.hash").startswith("#example=0&tab=cross&layer="), "the address says what is shown")
    browser.run("chooseExample(2); chooseGroup(2); chooseHead(3, 4); choose(4, 2); chooseView('lines')")
    address = browser.run("location.hash")
    check(address == "#example=2&tab=decoder&layer=3&head=mean&query=4&key=2&view=lines" == browser.run("byId('link').getAttribute('href')"), f"all of it: {address}")
    shown = "[state.example, state.group, state.layer, state.head, state.mean, state.row, state.column, state.view, byId('where').textContent]"
    before = browser.run(shown)
    browser.open(page.path + address)
    check(browser.run(shown) == before == [2, 2, 3, 4, True, 4, 2, "lines", "decoder · layer 3 · mean of heads"], f"the address leads there: {browser.run(shown)}")
    browser.run("location.hash = '#example=1&tab=cross&layer=2&head=1'")
    check(browser.wait("byId('where').textContent === 'cross · layer 2 · head 1'"), "and so does a change of it")
    for odd in ("example=99&tab=cross", "example=0&tab=none&layer=77&head=-1&query=1e9&key=x", "%E0%A4%A", "example=0&example2=88", "example=<img src=x>"):
        browser.open(page.path + "#" + odd)
        check(browser.run("!byId('detail').hidden && shownPanes().length === 1"), f"the address {odd} shows what there is")
        check(browser.problems == [], f"the address {odd}: {browser.problems}")
    clean(browser, page, "address")


def check_compare(browser, page):
    browser.open(page.path, 1280, 900)
    browser.run("chooseHead(1, 2)")
    browser.click_on("#compare")
    browser.click_on('#grid [data-layer="2"][data-head="1"]')
    captions = "shownPanes().map(one => one.caption.textContent)"
    check(browser.run(captions) == ["anhydride · cross · layer 1 · head 2", "anhydride · cross · layer 2 · head 1"], f"two heads: {browser.run(captions)}")
    browser.run("scroller.scrollIntoView({block: 'end'})")
    browser.click(*cell_point(browser, 3, 4))
    second = page.row(browser, 3)[4]
    first = browser.run("panes[0].shown.layer === 1") and browser.run("within(panes[0], () => valueAt(currentGroup(), chosenMap(currentGroup()), 3, 4))")
    shown = browser.run("[...document.querySelectorAll('#readout b')].map(node => Number(node.textContent))")
    check(len(shown) == 2 and abs(shown[0] - second) < 1 / 255 and abs(shown[1] - first) < 1e-3, f"both weights of a pair are shown: {shown}")
    check(browser.run("shownPanes().every(one => one.sentence.querySelectorAll('.marked').length === 2)"), "it is marked in both")
    browser.click_on("#pane .caption")
    check(browser.run("[byId('where').textContent, document.querySelector('#grid [aria-pressed=true]').title.slice(0, 15)]") == ["cross · layer 1 · head 2", "layer 1, head 2"],
          "a click on the other picture makes it the chosen one")
    browser.click_on("#example-after")
    check(browser.run(captions) == ["boxes · cross · layer 1 · head 2", "anhydride · cross · layer 2 · head 1"], f"two examples: {browser.run(captions)}")
    browser.run("choose(6, null); within(panes[1], () => { state.hover = {row: 8, column: 9, pane}; drawNow(); })")  # no such cell in the first
    check(browser.run("byId('readout').textContent").startswith("query 8"), "a cell that only one of them has")
    browser.run("state.hover = null; drawNow()")
    address = browser.run("location.hash")
    browser.open(page.path + address, 1280, 900)
    check(browser.run(captions) == ["boxes · cross · layer 1 · head 2", "anhydride · cross · layer 2 · head 1"] and browser.run("state.row") == 6, f"the address keeps both: {address}")
    check(browser.run("document.documentElement.scrollWidth <= innerWidth"), "two pictures find room at 1280 pixels")
    for view in ("lines", "heat"):
        browser.run(f"chooseView('{view}')")
        check(browser.run("shownPanes().every(one => one.picture.clientWidth === one.scroller.clientWidth && one.picture.clientHeight > 200)"), f"both are drawn ({view})")
    browser.press("c")
    check(browser.run("[shownPanes().length, byId('where').textContent]") == [1, "cross · layer 1 · head 2"], "the chosen one stays")
    clean(browser, page, "compare")
    browser.open(page.path + address, 400, 800)
    check(browser.run("document.documentElement.scrollWidth <= innerWidth"), "and below one another at 400")


def check_search(browser, page, sentence):
    browser.open(page.path)
    found = "[byId('found').textContent, state.example, currentGroup().kind, state.row, state.column]"

    def look(word, *presses):
        browser.run("byId('search').value = ''; byId('search').focus()")
        browser.call("Input.insertText", text=word)
        browser.settle()
        for key in presses:
            browser.press(*key)
        return browser.run(found)

    check(look("RAD") == ["1 of 1", 2, "cross", None, 0], f"letters of a word: {browser.run(found)}")
    check(look("s", ("Enter",)) == ["2 of 8", 0, "cross", None, 9], f"Enter goes on: {browser.run(found)}")
    browser.press("Enter", True)
    check(browser.run(found)[0] == "1 of 8", "Shift + Enter goes back")
    check(look("no such word")[0] == "not found", "what is nowhere")
    browser.press("Escape")
    browser.press("/")
    check(browser.run("document.activeElement.id") == "search", "a slash begins a search")
    clean(browser, page, "search")
    browser.open(sentence.path)
    check(look("tired") == ["1 of 1", 0, "encoder", 13, None], f"a word: {browser.run(found)}")
    check(look("the street") == ["1 of 1", 0, "encoder", 7, None], f"two: {browser.run(found)}")
    clean(browser, sentence, "search in a sentence")


def check_room(browser, folder):
    """At 1280 pixels nothing stands empty; sixty tokens' lines can be seen."""
    for name in ("words", "sentence", "causal", "one"):
        page = Page(folder, name)
        browser.open(page.path, 1280, 900)
        empty = browser.run("""['overview', 'grid', 'figures', 'readout', 'strongest', 'statistics'].filter(id => !byId(id).textContent.trim())
            .concat([...document.querySelectorAll('tbody, .sentence .tokens:not([hidden] *)')].filter(node => !node.textContent.trim()).map(node => node.className || node.tagName))""")
        check(empty == [], f"{name}: empty at 1280 pixels: {empty}")
        wide = browser.run("[...document.querySelectorAll('.card, .table-frame')].filter(node => node.scrollWidth > node.clientWidth).map(node => node.id || node.className)")
        check(wide == [], f"{name}: wider than their place at 1280 pixels: {wide}")
        if name != "one":
            ends = browser.run("[byId('side').lastElementChild, byId('detail')].map(node => node.getBoundingClientRect().bottom)")
            check(min(ends) > 660, f"{name}: a column ends at {ends} of 900")
        clean(browser, page, f"{name} at 1280")
    page = Page(folder, "causal")
    for dark in (False, True):
        browser.open(page.path, 1280, 900, dark)
        browser.run("chooseHead(0, 0); chooseView('lines')")
        browser.settle()
        pale = browser.run("""(() => {
            const group = currentGroup(), {left, row, top} = lines.layout(group), copy = new OffscreenCanvas(picture.width, picture.height), pale = [];
            const context = copy.getContext('2d', {willReadFrequently: true});
            context.drawImage(picture, 0, 0);
            const [, ...card] = /(..)(..)(..)/.exec(cssColour('card')).map(part => parseInt(part, 16));
            for (let i = 0; top + (i + 1) * row < picture.clientHeight; ++i) {
              const [r, g, b, a] = context.getImageData(left + 12, top + (i + 0.5) * row, 1, 1).data, shown = [r, g, b].map((part, k) => (part * a + card[k] * (255 - a)) / 255);
              if (Math.max(...shown.map((part, k) => Math.abs(part - card[k]))) < 24) pale.push(i);
            }
            return pale; })()""")
        check(pale == [], f"lines of a causal map of 60 tokens cannot be seen: {pale}")
        drawn = browser.run("(() => { const counts = new Array(60).fill(0), group = currentGroup(); lines.forEach(group, chosenMap(group), {row: null, column: null}, 0, 60, i => ++counts[i]); return counts; })()")
        check(drawn == [min(i + 1, 34) for i in range(60)], f"lines of each query: {drawn}")


def check_hostile(browser, page):
    browser.open(page.path)
    check(browser.run("document.title") == "</title><script>window.hostile=1</script>", "the title is text")
    scripts = browser.run("[...document.scripts].filter(script => !script.type).length")
    for group in range(3):
        browser.run(f"chooseGroup({group})")
        for k in range(20):
            browser.run(f"choose({k}, {19 - k})")
            browser.settle()
    tokens = browser.run("currentGroup().queries")
    check(tokens[0] == "</script><script>window.hostile=1</script>" and tokens[7] == "nul\0nul" and tokens[8] == "\ufffd\ufffd\ufffd(", f"tokens arrive whole: {tokens[:9]}")
    check(tokens[5] == "👩‍👩‍👧‍👦🏳️‍🌈" and tokens[3] == "שלום עולם", "emoji and right-to-left arrive whole")
    for mark in "\u061c\u200e\u200f\u202a\u202e\u2066\u2069":
        check(browser.run(f"visible('a{mark}b')") == "a\ufffdb", f"the direction mark {ord(mark):x} is shown as a sign")
    browser.run("choose(0, 1)")
    browser.settle()
    check(browser.run("document.querySelector('#readout .token').textContent") == "</script><script>window.hostile=1</script>", "a token is shown as text")
    check(browser.run("window.hostile") is None, "nothing runs")
    check(browser.run("[...document.scripts].filter(script => !script.type).length") == scripts == 1, "there is one script")
    check(browser.run("document.querySelectorAll('img, b > *, iframe').length") == 0, "no element came out of a token")
    clean(browser, page, "hostile")
    browser.run("{ const script = document.createElement('script'); script.textContent = 'window.hostile = 2'; document.body.append(script); }")
    check(browser.run("window.hostile") is None, "the content security policy stops any other script")


def check_large(browser, page, folder):
    seconds = browser.open(page.path)
    print(f"figure: 12 x 12 x 512 x 512: {os.path.getsize(page.path) / 1e6:.1f} MB, ready after {seconds:.2f} s")
    check(browser.wait("document.querySelectorAll('#grid button:not([data-painted])').length === 0"), "all small maps are painted")
    for view, zoom in (("heat", 14), ("heat", "null"), ("lines", "null")):
        times, frames, drawn = browser.run(f"""(async () => {{
            state.lift = true; chooseHead(2, 3); chooseView('{view}'); state.zoom = {zoom}; drawNow();
            const times = [], frames = [], rising = (a, b) => a - b;
            let drawn = 0, before = await new Promise(requestAnimationFrame);
            for (let k = 0; k < 60; ++k) {{
              scroller.scrollTop = k * 90; scroller.scrollLeft = k * 60;
              const start = performance.now(); drawNow(); times.push(performance.now() - start);
              drawn = Math.max(drawn, lines.drawn);
              const now = await new Promise(requestAnimationFrame);
              frames.push(now - before); before = now;
            }}
            return [times.sort(rising), frames.sort(rising), drawn]; }})()""")
        print(f"figure: scrolling {view} (zoom {zoom}): {times[30]:.1f} ms of script a frame; a frame each {frames[30]:.1f} ms, the longest {frames[-1]:.1f} ms")
        # What a frame of lines takes depends on the machine that draws, and on their number: 512 x 512 took seconds.
        check(view == "heat" or 50 < drawn <= browser.run("MOST_LINES") == 2048, f"{drawn} lines in one picture")
    check(browser.run("byId('fewer').hidden ? '' : byId('fewer').textContent").startswith("Of each query only the 4 strongest lines"), "fewer lines, and the page says so")
    for i in (0, 77, 511):
        strongest = browser.run(f"lines.strongest(currentGroup(), chosenMap(currentGroup()))[{i}]")
        row = page.row(browser, i)
        check(len(strongest) == 4 and min(row[j] for j in strongest) >= sorted(row)[-4] - max(row) / 255, f"the strongest keys of {i} are not {strongest}")
    browser.run("choose(300, null); lines.show(currentGroup())")
    browser.settle()
    check(browser.run("lines.drawn") == browser.run("((g, m) => g.keys.filter((_, j) => stepAt(g, m, 300, j) >= 10).length)(currentGroup(), chosenMap(currentGroup()))"),
          "a chosen token has all of its lines")
    browser.run("choose(null, null); state.lift = false; chooseHead(2, 3)")
    browser.run("chooseView('heat')")
    check_values(browser, page, "large", 6)
    browser.run("state.zoom = 20; drawNow()")
    check_values(browser, page, "large, zoomed", 6)
    clean(browser, page, "large")


def check_uneven(browser, page):
    """Groups with other numbers of heads, with a layer of which nothing is kept, with nothing kept: no map is shown that is not there."""
    browser.open(page.path)
    where = "[byId('where').textContent, byId('detail').hidden]"

    def go(key, wanted):
        browser.press(key)
        found = browser.run(where)
        check(found == wanted, f"uneven: after {key}: {found}, not {wanted}")
        check(wanted[1] or browser.run("chosenMap(currentGroup()).largest > 0"), f"uneven: after {key}: a map of zeros")

    check(browser.run("[...byId('example').options].map(option => option.text)") == ["0 all", "3 of one layer"], "uneven: examples keep their numbers")
    lone = ["eight again · layer 0 · head 5", False]  # the one map kept there
    mean = ["eight · layer 1 · mean of heads", False]
    browser.run("chooseHead(1, 8)")
    check(browser.run(where) == mean, "uneven: the mean")
    go("2", ["four · layer 1 · mean of heads", False])
    go("1", mean)
    go("4", [mean[0], True])  # nothing is kept at all, and nothing of it is shown
    go("1", mean)
    go("3", lone)
    browser.run("chooseGroup(0); chooseHead(1, 8)")
    go("n", ["eight · layer 0 · head 2", False])
    go("p", ["eight · layer 0 · head 2", False])
    browser.run("chooseHead(0, 4)")
    browser.press("2")
    sharpest = browser.run("currentGroup().kept[sharpest(currentGroup())]")
    check(browser.run(where) == [f"four · layer {sharpest // 4} · head {sharpest % 4}", False], "uneven: head 4 of 8 does not become the mean of 4")
    browser.run("chooseGroup(0); chooseHead(0, 4)")
    browser.press("4")
    browser.press("1")
    check(browser.run(where) == ["eight · layer 0 · head 4", False], "uneven: nor on the way through a tab without maps")
    clean(browser, page, "uneven")

    browser.open(page.path, 400, 800)
    for group in range(5):
        browser.run(f"chooseGroup({group})")
        browser.settle()
        check(browser.run("document.documentElement.scrollWidth <= innerWidth"), f"uneven: tab {group} makes the page wider than a window of 400 px")
    check(browser.run("currentGroup().kind.length") == 200, "the last tab has the long name")
    clean(browser, page, "uneven at 400 px")


def check_special(browser, folder, shots):
    page = Page(folder, "reduced")
    browser.open(page.path)
    check("1500 × 1100" in browser.run("byId('reduced').hidden ? '' : byId('reduced').textContent"), "a reduced picture says so")
    rows, columns, row_step, column_step = browser.run("(({rows, columns, rowStep, columnStep}) => [rows, columns, rowStep, columnStep])(currentGroup())")
    check((rows, columns, row_step, column_step) == (750, 550, 2, 2), "and by how much")
    true_rows = [page.row(browser, i) for i in (400, 401)]
    largest = [max(row[2 * j] for row in true_rows) for j in range(550)], [max(row[2 * j + 1] for row in true_rows) for j in range(550)]
    for j in range(0, 550, 13):
        value, true = browser.run(f"valueAt(currentGroup(), mapOf(currentGroup(), state.layer, state.head), 200, {j})"), max(largest[0][j], largest[1][j])
        check(abs(value - true) <= max(map(max, largest)) / 255, f"reduced: block (200, {j}) shows {value}, is {true}")
    browser.run("choose(200, null)")
    browser.settle()
    check(browser.run("""[...document.querySelectorAll('#pane .tokens')].every(box => [...box.children].some(one => (one.classList.contains('marked') ||
        stepAt(currentGroup(), chosenMap(currentGroup()), 200, Number(one.dataset.k)) > 200) && one.offsetTop >= box.scrollTop && one.offsetTop < box.scrollTop + box.clientHeight))"""),
          "in a long sentence the chosen token is in sight, and what it looks at")
    browser.run("choose(null, 3)")
    browser.settle()
    check("receives most from query" in browser.run("byId('readout').textContent"), "reduced: blocks are not added up")
    clean(browser, page, "reduced")

    page = Page(folder, "tabs")
    browser.open(page.path, 400, 800)
    check(browser.run("document.documentElement.scrollWidth <= innerWidth && byId('tabs').children.length === 12"), "twelve tabs find room at 400 px")
    check(not browser.run("byId('statistics').hidden"), "maps have statistics")
    browser.run("chooseView('heat'); choose(null, 1)")
    browser.settle()
    check("receives about" in browser.run("byId('readout').textContent"), "what a key receives is a rounded sum")
    browser.press("n")
    check(browser.run("[state.example, byId('tabs').children.length, byId('grid').children.length, byId('statistics').hidden]") == [1, 0, 0, True],
          "an example without groups shows nothing of the one before")
    browser.press("p")
    check(browser.run("[state.example, byId('tabs').children.length, byId('statistics').hidden]") == [0, 12, False], "and back")
    clean(browser, page, "tabs")

    check_uneven(browser, Page(folder, "uneven"))

    page = Page(folder, "broken")
    browser.open(page.path)
    browser.run("chooseHead(0, 1); choose(3, 5)")
    browser.settle()
    check("not finite" in browser.run("byId('readout').textContent"), "a value that is not finite is named")
    browser.run("chooseHead(1, 1); choose(6, null)")
    browser.settle()
    check("no weight on any key" in browser.run("byId('readout').textContent"), "an empty row is named")
    clean(browser, page, "broken")

    for name, text in (("empty", "There is nothing to show."), ("none", "No map of this kind was kept.")):
        page = Page(folder, name)
        browser.open(page.path)
        check(browser.run("byId('overview-hint').textContent") == text, f"{name}: {text}")
        check(browser.run("byId('statistics').hidden && byId('detail').hidden"), f"{name}: nothing else is shown")
        for key in ("2", "v", "ArrowDown", "+", "n", "Escape", "t"):
            browser.press(key)
        clean(browser, page, name)

    for name in ("map", "grid", "hostile"):
        with open(os.path.join(folder, name + ".svg"), encoding="utf-8") as file:
            found = browser.run(f"""(() => {{ const svg = new DOMParser().parseFromString({json.dumps(file.read())}, 'image/svg+xml');
                return [svg.querySelectorAll('parsererror').length, svg.querySelectorAll('script').length, svg.querySelectorAll('path').length > 3]; }})()""")
        check(found == [0, 0, True], f"{name}.svg is well-formed and drawn: {found}")

    # In a notebook: a frame whose document is the text of the file.
    page = Page(folder, "words")
    with open(page.path, encoding="utf-8") as file:
        text = html.escape(file.read())
    notebook = os.path.join(folder, "notebook.html")
    with open(notebook, "w", encoding="utf-8") as file:
        file.write(f"<!doctype html><meta charset=utf-8><html data-ready=yes><iframe id=one style='width:100%;height:560px;border:0' srcdoc=\"{text}\"></iframe>"
                   f"<iframe sandbox='allow-scripts' style='width:100%;height:560px;border:0' srcdoc=\"{text}\"></iframe>")
    browser.open(notebook, 900, 1200)
    # The document is complete when both frames are; into the sandboxed one it cannot look.
    check(browser.wait("document.readyState === 'complete' && one.contentDocument.documentElement.dataset.ready === 'yes'"), "works inside a frame")
    check(browser.problems == [], f"in a frame: {browser.problems}")
    if shots:
        browser.shot(os.path.join(shots, "notebook.png"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo_pages")
    parser.add_argument("--shots", help="write screenshots there")
    arguments = parser.parse_args()
    program = find_chromium()
    if not program:
        print("skipped: Chromium is absent (Debian, Ubuntu: package chromium; or set CHROMIUM to its path)")
        return 77
    if arguments.shots:
        os.makedirs(arguments.shots, exist_ok=True)
    random.seed(1)
    with tempfile.TemporaryDirectory(prefix="page_browser_") as folder:
        subprocess.run([arguments.demo_pages, folder], check=True)
        for name in ("words", "sentence", "large"):
            page = Page(folder, name)
            size, most = os.path.getsize(page.path), 1.4 * len(page.truth) + 2**20
            check(size <= most, f"{name}.html has {size} bytes, at most {most:.0f} are allowed")
        browser = Browser(program)
        try:
            check_looks(browser, folder, arguments.shots)
            check_colours(browser, Page(folder, "words"))
            for name in ("words", "sentence"):
                page = Page(folder, name)
                browser.open(page.path)
                check_values(browser, page, name)
                check_figures(browser, page, name)
                browser.open(page.path, 400, 800)
                check_values(browser, page, name + " at 400 px")
            check_mouse(browser, Page(folder, "words"))
            check_keys(browser, Page(folder, "words"))
            check_sentence(browser, Page(folder, "words"))
            check_export(browser, Page(folder, "words"), folder)
            check_address(browser, Page(folder, "words"))
            check_compare(browser, Page(folder, "words"))
            check_search(browser, Page(folder, "words"), Page(folder, "sentence"))
            check_room(browser, folder)
            check_hostile(browser, Page(folder, "hostile"))
            check_special(browser, folder, arguments.shots)
            check_large(browser, Page(folder, "large"), folder)
        finally:
            browser.close()
    print("html_page: all passed" if failures == 0 else f"html_page: {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
