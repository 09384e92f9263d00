"""The command `vitrine`: the C++ programs of the wheel, each as it is.

`vitrine translate --model DIR < text` is what build/examples/translate of a build of the repository is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import List, Optional

from . import _core
from ._core import Error

PROGRAMS = ("align", "choose", "generate", "inspect", "score_heads", "translate")
_ALSO = {"score": "score_heads"}
_USAGE = """usage: vitrine PROGRAM [ARGUMENT...]

  translate      translations, alignments and maps of a model with encoder and decoder
  generate       continuations of prompts by a model without an encoder
  score          scores of every cross-attention head for each line of a pool (score_heads)
  align          word alignments of pairs of lines
  choose         which lines of a scored pool to label first
  inspect        statistics and pages of any model's attention
  to_safetensors FILE    PyTorch's files to safetensors
  build_info     the version and the instruction set

`vitrine PROGRAM --help` says more."""


def command(program: str) -> List[str]:
    """What runs a program of PROGRAMS, with the best instruction set that this process may use."""
    usable = _core.isas[: _core.isas.index(_core.isa) + 1]
    for isa in reversed(usable):
        found = Path(__file__).parent / f"programs_{isa}"
        if found.exists():
            return [str(found), program]
    raise Error(
        f"there are no programs for {_core.isa}: on x86 they need AVX2, and a build made with zlib, utf8proc and PCRE2"
    )


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs a program in this process's place; 2 for one that is not there."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in ("-h", "--help"):
        try:
            print(_USAGE, file=sys.stdout if given else sys.stderr, flush=True)
        except BrokenPipeError:  # `vitrine --help | head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if given else 2
    name = _ALSO.get(given[0], given[0])
    if name in ("build_info", "--version"):
        from . import build_info  # which imports this

        print(build_info())
        return 0
    if name == "to_safetensors":
        from . import to_safetensors

        return to_safetensors.main(given[1:])
    if name not in PROGRAMS:
        print(f"vitrine: there is no program {name!r}; there are {', '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    try:
        found = command(name)
    except Error as error:
        print(f"vitrine: {error}", file=sys.stderr)
        return 2
    sys.stdout.flush()
    os.execv(found[0], found + given[1:])
