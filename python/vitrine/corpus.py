"""Many lines through a model: scored, translated or aligned by the C++ loop of score_heads, translate and align.

`model` is a folder, or what `vitrine.load` made of one; `lines` a file (plain, .gz, .zst), or texts or lists of ids.
Without `output` rows come as they are computed, in the order of the lines; with `output`, a folder, they go to part
files that survive a kill, one for each `shard` "I/N" of the file, and the same call goes on where the last one ended.
No row depends on threads, batches or shards. The model is read by a process of its own, which ends with the rows, or
when they are not wanted any more.
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import warnings
from pathlib import Path
from typing import IO, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union, overload

from ._command import command
from ._core import Error
from ._layers import path_text
from ._models import Model

__all__ = ["BadLines", "TryAgain", "align", "merge", "score", "translate"]

Lines = Union[str, "os.PathLike[str]", Iterable[str], Iterable[Sequence[int]]]
Row = Dict[str, Union[float, str, None]]
Link = Tuple[int, int]


class BadLines(UserWarning):
    """Lines that could not be used: all others have their rows."""


class TryAgain(Error):
    """Lines of a part are left, and nothing is wrong: it was stopped, or another process works on it."""


@overload
def score(model: Any, lines: Lines, *, output: None = None, **options: Any) -> Iterator[Row]: ...
@overload
def score(model: Any, lines: Lines, *, output: Union[str, "os.PathLike[str]"], **options: Any) -> Path: ...


def score(model: Any, lines: Lines, *, output: Any = None, **options: Any) -> Union[Iterator[Row], Path]:
    """Scores of every cross-attention head, and the negative log-probability, of each line forced through the model.

    A row is {column: number}, "entropy.l0.h3" for layer 0, head 3; None where a line is blank or cannot be used.
    Options are those of `vitrine score --help` with _ for -: target ("greedy", "source", or the targets as `lines`),
    score (of "coverage", "confidence", "entropy", "distraction"), mean, with_text, per_token, max_new_tokens, weights,
    threads;
    with output: shard, checkpoint_every, overwrite.
    """
    chosen = _target(options, ("greedy", "source"))
    run = _Run("score_heads", model, lines, options, chosen)
    return run.rows(_table) if output is None else run.part(output, ".csv")


@overload
def translate(model: Any, lines: Lines, *, output: None = None, **options: Any) -> Iterator[str]: ...
@overload
def translate(model: Any, lines: Lines, *, output: Union[str, "os.PathLike[str]"], **options: Any) -> Path: ...


def translate(model: Any, lines: Lines, *, output: Any = None, **options: Any) -> Union[Iterator[str], Path]:
    """The translation of each line, as `translate` prints it: "" for a blank line; of ids, a JSON object.

    Options are those of `vitrine translate --help`: beams, n_best, max_new_tokens, length_penalty, word_scores,
    alignments ("hard", "soft", "pharaoh"), merge_words, layer, head, weights, threads; with output: shard,
    checkpoint_every, overwrite.
    """
    run = _Run("translate", model, lines, options, None)
    return run.rows(_texts) if output is None else run.part(output, run.suffix)


@overload
def align(
    model: Any, lines: Lines, targets: Lines, *, output: None = None, **options: Any
) -> Iterator[List[Link]]: ...
@overload
def align(
    model: Any, lines: Lines, targets: Lines, *, output: Union[str, "os.PathLike[str]"], **options: Any
) -> Path: ...


def align(
    model: Any, lines: Lines, targets: Lines, *, output: Any = None, **options: Any
) -> Union[Iterator[List[Link]], Path]:
    """The links (source token, target token) of each line and its target, from 0 and without end marks.

    Options are those of `vitrine align --help`: layer and head (else the head is chosen), reverse (the folder of a
    model of the other direction), merge_words, threads; with output (Pharaoh text): shard, checkpoint_every, overwrite.
    """
    run = _Run("align", model, lines, options, targets)
    return run.rows(_links) if output is None else run.part(output, ".txt")


def merge(folder: Any, allow_mixed: bool = False) -> Iterator[str]:
    """The whole of a folder of parts, line by line, whatever made them; refuses gaps, damage and mixtures by name."""
    place = path_text(folder)
    manifests = sorted(Path(place).glob("part-*.json"))
    try:
        program = json.loads(manifests[0].read_text(encoding="utf-8"))["program"] if manifests else "score_heads"
        arguments = command(program)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Error(f"{manifests[0]}: {error}") from None
    return _merged(arguments + ["--merge", place] + (["--allow-mixed"] if allow_mixed else []))


def _merged(arguments: List[str]) -> Iterator[str]:
    yield from _Process(arguments, None).rows(_texts)


class _Run:
    """The arguments of one call, checked at once."""

    def __init__(self, program: str, model: Any, lines: Any, options: Dict[str, Any], targets: Any) -> None:
        if isinstance(model, Model):
            if model._tokenizer is not None:
                raise Error("a corpus is read by the folder's own tokenizer: load the folder without tokenizer=")
            if model.weights != "f32":
                if program == "align":
                    raise Error(f"align computes in f32, and the model's weights are {model.weights}: name its folder")
                options = {"weights": model.weights, **options}
            model = model.folder
        self._arguments = command(program) + ["--model", path_text(model), "--quiet"]
        self._shard = str(options.get("shard", "0/1"))
        for name, value in options.items():
            self._arguments += _argument(name, value)
        self.suffix = ".txt"
        self._file = self._lines = None
        if isinstance(lines, (str, os.PathLike)):
            self._file = path_text(lines)
            self._arguments += ["--input", self._file]
        else:
            self._lines = _Texts(lines)
            if self._lines.are_ids:
                self._arguments += ["--input-format", "jsonl"]
                self.suffix = ".jsonl"
        self._targets = None
        if targets is not None:
            self._targets = targets if isinstance(targets, (str, os.PathLike)) else _Texts(targets)

    def _process(self, more: List[str]) -> "_Process":
        kept = None
        arguments = self._arguments + more
        if isinstance(self._targets, _Texts):  # the program reads them from a file
            kept = tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", suffix=".targets")
            for line in self._targets:
                kept.write(line + "\n")
            kept.flush()
            arguments += ["--target", kept.name]
        elif self._targets is not None:
            arguments += ["--target", path_text(self._targets)]
        return _Process(arguments, self._lines, kept)

    def rows(self, read: Any) -> Iterator[Any]:
        yield from self._process([]).rows(read)

    def part(self, output: Any, suffix: str) -> Path:
        if self._file is None:
            raise Error("output= needs lines as a file, of which shards are cut")
        folder = path_text(output)
        self._process(["--output", folder]).wait()
        index = self._shard.split("/")[0]
        if not index.isdigit():  # "slurm", "slurm/N"
            index = os.environ.get("SLURM_ARRAY_TASK_ID", "0")
        return Path(folder) / f"part-{int(index):05}{suffix}"


class _Process:
    """A program that runs: its rows, and what it says of lines that it could not use."""

    def __init__(self, arguments: List[str], lines: Optional["_Texts"], kept: Any = None) -> None:
        self._program = Path(arguments[1]).name
        self._kept = kept  # a file that must outlive it
        self._failed: Optional[BaseException] = None
        self._said: List[str] = []
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL if lines is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="surrogateescape",
            )
        except (OSError, ValueError) as error:
            raise Error(f"{arguments[0]}: {error}") from None
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        if lines is not None:
            self._threads.append(threading.Thread(target=self._feed, args=(lines,), daemon=True))
        for thread in self._threads:
            thread.start()

    def _feed(self, lines: "_Texts") -> None:
        file: Any = self._process.stdin
        try:
            for line in lines:
                file.write(line + "\n")
        except BrokenPipeError:
            pass  # it ended, and says why
        except BaseException as error:  # of the caller's iterable
            self._failed = error
            self._process.terminate()
        try:
            file.close()
        except OSError:
            pass

    def _listen(self) -> None:
        file: Any = self._process.stderr
        for line in file:
            self._said.append(line.rstrip("\n"))

    def rows(self, read: Any) -> Iterator[Any]:
        try:
            yield from read(self._process.stdout)
        except BaseException:
            self._stop()
            raise
        self._end()

    def wait(self) -> None:
        try:
            self._process.stdout.read()  # type: ignore[union-attr]
        except BaseException:
            self._process.send_signal(signal.SIGINT)  # it makes safe what it has
            self._process.wait()
            raise
        self._end()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdout, self._process.stderr):
            if file is not None:
                file.close()

    def _end(self) -> None:
        status = self._process.wait()
        for thread in self._threads:
            thread.join()
        if self._failed is not None:
            raise self._failed
        prefix = self._program + ": "
        said = [one[len(prefix) :] if one.startswith(prefix) else one for one in self._said]
        bad = [one for one in said if re.match(r".*:\d+: |.*: whole; \d+ lines could not be used|\d+ lines could", one)]
        other = [one for one in said if one not in bad]
        if status == 75:
            raise TryAgain("; ".join(said) or f"{self._program} was stopped")
        if status != 0 and (other or not bad):
            raise Error("; ".join(other) or f"{self._program} ended with status {status}")
        if bad:
            more = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
            warnings.warn("; ".join(bad[:3]) + more, BadLines, stacklevel=3)


class _Texts:
    """Lines of an iterable as a program reads them: texts, or ids as JSON."""

    def __init__(self, lines: Any) -> None:
        try:
            self._rest = iter(lines)
        except TypeError:
            raise Error(f"lines are {type(lines).__name__} and must be a file, texts or lists of ids") from None
        self._first = list(_take(self._rest))
        self.are_ids = bool(self._first) and not isinstance(self._first[0], str)

    def __iter__(self) -> Iterator[str]:
        for one in self._first:
            yield self._line(one)
        for one in self._rest:
            yield self._line(one)

    def _line(self, one: Any) -> str:
        if isinstance(one, str) == self.are_ids:
            raise Error("lines are texts, or lists of ids, and not both")
        if not self.are_ids:
            if "\n" in one:
                raise Error(f"a line holds a line break: {one[:40]!r}")
            try:
                one.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as error:
                raise Error(f"a line holds what is no character: {error}") from None
            return str(one)
        try:
            return json.dumps({"ids": [int(i) for i in one]}) if len(one) else ""
        except (TypeError, ValueError):
            raise Error(f"a line is {one!r:.60} and must be a text or a list of ids") from None


def _take(rest: Iterator[Any]) -> Iterator[Any]:
    for one in rest:
        yield one
        return


def _target(options: Dict[str, Any], words: Tuple[str, ...]) -> Any:
    """Takes the targets out of the options where they are no word of the program's."""
    given = options.get("target")
    if given is None or (isinstance(given, str) and given in words):
        return None
    return options.pop("target")


# Options that calls have other words for, or that write elsewhere.
_OWN = frozenset("model input output merge index quiet input_format help version maps step skip".split())


def _argument(name: str, value: Any) -> List[str]:
    option = "--" + name.replace("_", "-")
    if name in _OWN:
        raise Error(f"there is no option {name}")
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    if isinstance(value, (list, tuple)):
        value = ",".join(str(one) for one in value)
    return [option, path_text(value) if isinstance(value, os.PathLike) else str(value)]


def _texts(file: IO[str]) -> Iterator[str]:
    for line in file:
        yield line.rstrip("\n")


def _table(file: IO[str]) -> Iterator[Row]:
    rows = csv.reader(file)
    columns = next(rows, [])
    for row in rows:
        yield {name: _value(name, text) for name, text in zip(columns, row)}


def _value(name: str, text: str) -> Union[float, str, None]:
    if name in ("text", "token"):
        return text
    if name in ("line", "position"):
        return int(text)
    return float(text) if text else None


def _links(file: IO[str]) -> Iterator[List[Link]]:
    for line in file:
        pairs = (one.split("-") for one in line.split())
        yield [(int(source), int(target)) for source, target in pairs]
