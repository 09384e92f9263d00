"""The command `vitrine`: the C++ programs of the wheel, each as it is.

`vitrine translate --model DIR < text` runs the very program that a build of the repository has in build/examples.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import List, Optional

from . import _core, build_info

_ALSO = {"score": "score_heads"}
_USAGE = """usage: vitrine PROGRAM [ARGUMENT...]      vitrine PROGRAM --help says more
       vitrine to_safetensors FILE       PyTorch's files to safetensors
       vitrine build_info

programs: {}"""


def folder() -> Optional[Path]:
    """The programs for the best instruction set that there is and this process uses."""
    own = Path(__file__).parent / "bin"
    usable = _core.isas[: _core.isas.index(_core.isa) + 1]
    return next((own / isa for isa in reversed(usable) if (own / isa).is_dir()), None)


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs a program in this process's place; 2 for one that is not there."""
    given = sys.argv[1:] if arguments is None else arguments
    place = folder()
    programs = sorted(one.name for one in place.iterdir()) if place else []
    if not given or given[0] in ("-h", "--help"):
        print(_USAGE.format(", ".join(programs) or "none, this build was made without zlib"))
        return 0 if given else 2
    name = _ALSO.get(given[0], given[0])
    if name == "build_info":
        print(build_info())
        return 0
    if name == "to_safetensors":
        from . import to_safetensors

        return to_safetensors.main(given[1:])
    if place is None or name not in programs:
        print(f"vitrine: there is no program {given[0]}; there are {', '.join(programs) or 'none'}", file=sys.stderr)
        return 2
    sys.stdout.flush()
    program = str(place / name)
    os.execv(program, [program, *given[1:]])


if __name__ == "__main__":
    sys.exit(main())
