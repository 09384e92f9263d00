"""Text of many scripts, of files that a Debian system has: the same lines for the same versions of them.

Six parts of ten are English prose: Python's language reference (pydoc's topics), the docstrings of its standard library
and the repository's pages. The others are the messages of apt, bash, coreutils and dpkg in German, Spanish, French,
Polish, Turkish, Vietnamese, Russian, Ukrainian, Greek, Arabic, Japanese, Korean, Thai and Chinese. No entry comes
twice before all entries of its part came once.
"""

import ast
import gettext
import pathlib
import random
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CATALOGUES = pathlib.Path("/usr/share/locale")
DOMAINS = ("apt", "bash", "coreutils", "dpkg")
LANGUAGES = ("ar", "de", "el", "es", "fr", "ja", "ko", "pl", "ru", "th", "tr", "uk", "vi", "zh_CN", "zh_TW")


def docstrings(folder):
    left_out = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
    for path in sorted(folder.rglob("*.py")):
        if left_out & set(path.relative_to(folder).parts):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield ast.get_docstring(node) or ""


def english():
    from pydoc_data.topics import topics

    pages = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("examples/*.md")) + sorted(ROOT.glob("bench/*.md"))
    entries = [page.read_text(encoding="utf-8") for page in pages] + [topics[key] for key in sorted(topics)]
    return entries + list(docstrings(pathlib.Path(sysconfig.get_paths()["stdlib"])))


def translated():
    entries = []
    for language in LANGUAGES:
        for domain in DOMAINS:
            path = CATALOGUES / language / "LC_MESSAGES" / (domain + ".mo")
            if path.exists():  # not every language has all four
                with path.open("rb") as file:
                    messages = gettext.GNUTranslations(file)._catalog
                entries += [messages[key] for key in sorted(messages, key=str) if key != ""]
    if len(entries) < 1000:
        raise SystemExit(f"{CATALOGUES} has no message catalogues of {', '.join(DOMAINS)} (Debian: not excluded by dpkg)")
    return entries


def parts_of(entries, size, order):
    """Entries in an order of their own, anew when all of them came, until there are `size` bytes."""
    taken = 0
    while taken < size:
        for entry in order.sample(entries, len(entries)):
            taken += len(entry.encode())
            yield entry
            if taken >= size:
                break


def mixed_text(megabytes):
    """Lines, none of them blank, of so many millions of bytes."""
    order = random.Random(1)
    entries = list(parts_of(english(), 0.6e6 * megabytes, order)) + list(parts_of(translated(), 0.4e6 * megabytes, order))
    order.shuffle(entries)
    return [line for entry in entries for line in entry.splitlines() if line.strip()]
