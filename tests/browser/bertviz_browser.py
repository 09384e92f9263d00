#!/usr/bin/env python3
"""BertViz's own head, model and neuron view, from its package, accept our JSON: they draw it in headless Chromium.

    bertviz_browser.py DEMO_PAGES [--shots FOLDER]

Needs the PyPI package bertviz (pip install --no-deps bertviz), d3 version 5, jQuery and require.js (Debian: node-d3 libjs-jquery libjs-requirejs), which
BertViz itself would fetch. Exit 0: accepted; 1: not; 77: something is absent.
"""
import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    from devtools import Browser, find_chromium
except ImportError as error:
    print(f"skipped: {error} (pip install websocket-client, or Debian's python3-websocket)")
    sys.exit(77)

SCRIPTS = {"require": "/usr/share/javascript/requirejs/require.js", "jquery": "/usr/share/javascript/jquery/jquery", "d3": "/usr/share/nodejs/d3/dist/d3"}


def absent():
    if not find_chromium():
        return "Chromium"
    if not importlib.util.find_spec("bertviz"):
        return "the package bertviz (pip install --no-deps bertviz)"
    missing = [path for path in SCRIPTS.values() if not os.path.exists(path if path.endswith(".js") else path + ".js")]
    return f"{missing} (apt-get install node-d3 libjs-jquery libjs-requirejs)" if missing else None


def write_page(path, view, params):
    package = os.path.dirname(importlib.util.find_spec("bertviz").origin)
    with open(os.path.join(package, view + ".js"), encoding="utf-8") as file:
        script = file.read()
    if view == "neuron_view":
        script = "window.bertviz_params = PYTHON_PARAMS;" + script
    for name in ("d3", "jquery"):  # from this machine instead of a CDN
        script, count = re.subn(rf"({name}: )'https?://[^']*'", rf"\1'file://{SCRIPTS[name]}'", script)
        assert count == 1, (view, name, count)
    groups = json.loads(params)["attention"]
    names = {"all": "All"} if view == "neuron_view" else {k: d["name"] for k, d in enumerate(groups)}
    options = "".join(f'<option value="{k}">{name}</option>' for k, name in names.items())
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""<!doctype html><html data-ready="yes"><meta charset="utf-8"><script src="{SCRIPTS['require']}"></script>
            <div id="bertviz">Layer: <select id="layer"></select> Head: <select id="att_head"></select> Attention: <select id="filter">{options}</select><div id="vis"></div></div>
            <script>{script.replace("PYTHON_PARAMS", params)}</script></html>""")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo_pages")
    parser.add_argument("--shots", help="write screenshots there")
    arguments = parser.parse_args()
    if missing := absent():
        print("skipped: absent:", missing)
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix="bertviz_pages_") as folder:
        subprocess.run([arguments.demo_pages, folder], check=True)
        browser = Browser(find_chromium())
        try:
            # layers in the list, tokens of both sides drawn; a model view has a small drawing for 4 layers x 3 heads
            for view, wanted in (("head_view", {"layers": ["1", "2", "3"], "layer": "2", "texts": 20}), ("model_view", {"drawings": 12}),
                                 ("neuron_view", {"layers": ["0", "1", "2", "3"], "layer": "2", "head": "1"})):
                with open(os.path.join(folder, view + ".json"), encoding="utf-8") as file:
                    params = file.read()
                page = os.path.join(folder, view + ".html")
                write_page(page, view, params)
                browser.open(page, 900, 700)
                look = """({layers: [...document.querySelectorAll('#layer option')].map(option => option.value), layer: document.querySelector('#layer').value,
                    head: document.querySelector('#att_head').value,
                    texts: [...document.querySelectorAll('#vis text')].filter(text => text.textContent.trim()).length, lines: document.querySelectorAll('#vis line').length,
                    drawings: document.querySelectorAll('#vis .attn_background').length})"""
                drawn = browser.wait(f"""Object.entries({json.dumps(wanted)}).every(([key, value]) => JSON.stringify(({look})[key]) === JSON.stringify(value)) &&
                    document.querySelectorAll('#vis line').length > 50""")
                found = browser.run(look)
                passed = drawn and not browser.problems and all(found[key] == value for key, value in wanted.items())
                failed += not passed
                print(f"{view}: {'accepted' if passed else 'FAILED'}: {found} {browser.problems}")
                if arguments.shots:
                    os.makedirs(arguments.shots, exist_ok=True)
                    browser.shot(os.path.join(arguments.shots, view + ".png"))
        finally:
            browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
