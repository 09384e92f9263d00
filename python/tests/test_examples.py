"""The examples, and the notebook from its first cell to its last."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / "examples" / "python"


def module(name):
    spec = importlib.util.spec_from_file_location(name, PYTHON / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_maps_of_module(tmp_path, capsys):
    module("maps_of_module").main(str(tmp_path / "page.html"))
    assert "largest difference to PyTorch: True" in capsys.readouterr().out
    assert (tmp_path / "page.html").stat().st_size > 20_000


def test_maps_of_folder(tmp_path, capsys):
    module("maps_of_folder").main(str(ROOT / "examples/models/g2p"), "anhydride", str(tmp_path / "page.html"))
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "AE N HH AY D R AY D" and len(out) == 4
    assert (tmp_path / "page.html").stat().st_size > 20_000


@pytest.mark.parametrize("family", ["llama_0", "t5_0", "albert_0"])
def test_beside_transformers(family, capsys):
    assert module("beside_transformers").main(str(ROOT / "tests/golden/families" / family), "3", "7", "11", "9") < 1e-5
    assert "layers of" in capsys.readouterr().out


def test_the_notebook():
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(PYTHON / "maps.ipynb", 4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # none are kept in the repository
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(PYTHON)}}).execute()
    shown = [out.data for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs if "data" in out]
    frames = [data["text/html"] for data in shown if "text/html" in data]
    assert len(frames) == 2 and all("<iframe srcdoc=" in frame for frame in frames)
    if os.environ.get("VITRINE_NOTEBOOK_HTML"):  # what tests/browser looks at
        Path(os.environ["VITRINE_NOTEBOOK_HTML"]).write_text("\n".join(frames), encoding="utf-8")
