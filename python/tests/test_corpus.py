"""The command `vitrine`, and vitrine.corpus, which runs its programs: rows, parts, merging, what is refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import vitrine
from vitrine import corpus

G2P = Path(__file__).parent.parent.parent / "examples/models/g2p"
PAIRS = [line.split("\t")[:2] for line in (G2P / "words.tsv").read_text(encoding="utf-8").splitlines()[:40]]
WORDS, PHONEMES = [list(one) for one in zip(*PAIRS)]


def run(*arguments, stdin="", **environment):
    return subprocess.run(
        [sys.executable, "-m", "vitrine", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, **environment},
    )


def test_the_command_runs_the_programs():
    done = run("translate", "--model", G2P, stdin="anhydride\nradium\n")
    assert done.returncode == 0 and done.stdout == "AE N HH AY D R AY D\nR EY D IY AH M\n", done.stderr
    slow = run("translate", "--model", G2P, "anhydride", VITRINE_ISA="sse2")
    assert slow.returncode == 2 and "need AVX2" in slow.stderr
    for program in ("translate", "score", "align", "choose", "inspect", "generate"):
        shown = run(program, "--help")
        assert shown.returncode == 0 and "usage: " in shown.stdout, (program, shown.stderr)
    assert run("build_info").stdout.strip() == vitrine.build_info()
    assert run().returncode == 2 and run("nothing").returncode == 2
    refused = run("translate", "--model", "/nowhere", "x")
    assert refused.returncode == 2 and "/nowhere" in refused.stderr


def test_scores_are_those_of_a_call():
    model = vitrine.load(G2P)
    rows = list(corpus.score(model, WORDS, score=["entropy", "confidence"]))
    assert len(rows) == len(WORDS)
    for word, row in zip(WORDS[:5], rows):
        one = model.score([word], [model.generate(word)[0][0].ids])[0]
        assert row["negative_log_probability"] == pytest.approx(-np.mean(one.log_probs), rel=2e-4)
        entropy = vitrine.inspect.entropy(one.cross_attn[1][0])
        assert row["entropy.l1.h0"] == pytest.approx(entropy, rel=2e-4)
    again = list(corpus.score(G2P, iter(WORDS), score="entropy,confidence", batch=3, threads=1))
    assert again == rows
    table = list(corpus.score(G2P, WORDS[:3], target=PHONEMES[:3], mean=True, with_text=True))
    assert [row["text"] for row in table] == WORDS[:3] and [row["line"] for row in table] == [0, 1, 2]


def test_translations_and_alignments():
    model = vitrine.load(G2P)
    assert list(corpus.translate(model, WORDS)) == [found[0].text for found in model.generate(WORDS)]
    ids = [model.encode_text(word) for word in WORDS[:4]]
    assert all('"ids"' in line for line in corpus.translate(model, ids))
    links = list(corpus.align(model, WORDS, PHONEMES, layer=1, head=0))
    maps = model.score(WORDS[:3], PHONEMES[:3])
    for found, one, word in zip(links, maps, WORDS):
        assert found == vitrine.inspect.hard_links(one.cross_attn[1][0], len(one.ids) - 1, len(word))


def test_parts_are_the_bytes_of_one_run(tmp_path):
    pool = tmp_path / "pool.txt"
    pool.write_text("".join(word + "\n" for word in WORDS), encoding="utf-8")
    whole = run("score", "--model", G2P, "--input", pool, "--score", "coverage").stdout.splitlines()
    for index in (2, 0, 1, 0):
        part = corpus.score(G2P, pool, score="coverage", output=tmp_path / "parts", shard=f"{index}/3")
        assert part.name == f"part-{index:05}.csv" and part.exists()
    assert list(corpus.merge(tmp_path / "parts")) == whole
    part.write_text("other", encoding="utf-8")
    with pytest.raises(vitrine.Error, match="part-00000"):
        list(corpus.merge(tmp_path / "parts"))


def test_a_part_that_is_stopped_or_taken_is_to_be_tried_again(tmp_path):
    pool = tmp_path / "pool.txt"
    pool.write_text("".join(word + "\n" for word in WORDS * 2000), encoding="utf-8")
    arguments = f"{str(G2P)!r}, {str(pool)!r}, output={str(tmp_path / 'parts')!r}, checkpoint_every=64, threads=1"
    # A shell's background jobs ignore SIGINT, and so would what they start.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; from vitrine import corpus; print('starts', flush=True); corpus.score({arguments})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as child:
        assert child.stdout.readline() == "starts\n"
        while not list(tmp_path.glob("parts/*.checkpoint")):
            assert child.poll() is None, child.stderr.read()
            time.sleep(0.02)
        with pytest.raises(corpus.TryAgain, match="part-00000"):
            corpus.score(G2P, pool, output=tmp_path / "parts", checkpoint_every=64, threads=1)
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=60)[1]
        assert "KeyboardInterrupt" in said and child.returncode != 0
    assert not list(tmp_path.glob("parts/*.lock")) and not list(tmp_path.glob("parts/*.json"))
    assert list(tmp_path.glob("parts/*.csv.tmp"))  # and goes on from there


def test_what_is_refused(tmp_path):
    with pytest.raises(vitrine.Error, match="nowhere"):
        list(corpus.translate("/nowhere", ["a"]))
    with pytest.raises(vitrine.Error, match="no_such_option|no-such-option"):
        list(corpus.translate(G2P, ["a"], no_such_option=1))
    for lines in (5, [3], ["a", [1, 2]], [[1], "a"], ["a\nb"], [["a"]]):
        with pytest.raises(vitrine.Error):
            list(corpus.translate(G2P, lines))
    with pytest.raises(vitrine.Error, match="as a file"):
        corpus.score(G2P, ["a"], output=tmp_path)
    with pytest.warns(corpus.BadLines, match="stdin:2"):
        assert len(list(corpus.translate(G2P, ["radium", "na~ve", "radium"]))) == 3

    def broken():
        yield "radium"
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        list(corpus.translate(G2P, broken()))
    rows = corpus.translate(G2P, (word for word in WORDS * 1000))
    assert next(rows)
    rows.close()  # ends the process, too
