"""Pictures, files and figures of maps."""

import json

import numpy as np
import pytest
import vitrine
from vitrine import inspect

MAP = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]], np.float32)


def test_scores():
    columns = MAP.astype(np.float64).sum(0)
    assert inspect.coverage(MAP) == pytest.approx(-np.log(np.minimum(columns, 1) + 1e-8).mean(), rel=1e-6)
    assert inspect.confidence(MAP, 2, 2) == pytest.approx(0.8, rel=1e-6)
    w = MAP.astype(np.float64)
    assert inspect.entropy(MAP) == pytest.approx(-(w[w > 0] * np.log(w[w > 0])).sum() / 3, rel=1e-6)
    centred = w - 1 / 3
    kurtosis = (centred**4).mean(1) / (centred**2).mean(1) ** 2
    assert inspect.distraction(MAP) == pytest.approx(-kurtosis.mean(), rel=1e-5)
    for wrong in (np.zeros(3, np.float32), "x", np.zeros((2, 2), int)):
        with pytest.raises(vitrine.Error):
            inspect.entropy(wrong)
    with pytest.raises(vitrine.Error):
        inspect.coverage(MAP, 4)
    for wrong in ("a", 1.5, -1):
        with pytest.raises(vitrine.Error, match="sources"):
            inspect.coverage(MAP, wrong)
        with pytest.raises(vitrine.Error, match="targets"):
            inspect.hard_links(MAP, targets=wrong)
    for call in (
        lambda: inspect.threshold_links(MAP, "x"),
        lambda: inspect.parse_pharaoh(5),
        lambda: inspect.alignment_errors([[0]], [], []),
        lambda: inspect.pharaoh(["a"]),
        lambda: inspect.rollout([MAP], 2.0),
        lambda: inspect.area_under_curve(["a"], [True]),
        lambda: inspect.area_under_curve(5, [True]),
    ):
        with pytest.raises(vitrine.Error):
            call()
    assert inspect.alignment_errors(np.array([[0, 1]]), [[0, 1]], [(0, 1)]).rate == 0
    assert inspect.hard_links(MAP, targets=np.int64(1)) == [(0, 0)]


def test_alignments():
    assert inspect.threshold_links(MAP, 0.15) == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    assert inspect.parse_pharaoh(inspect.pharaoh(inspect.hard_links(MAP))) == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(vitrine.Error, match="1_1"):
        inspect.parse_pharaoh("1_1")
    errors = inspect.AlignmentErrors()
    sure, possible = inspect.parse_gold("1-1 2p2 3p2", 1)
    errors += inspect.alignment_errors(inspect.hard_links(MAP), sure, possible)
    assert errors == (3, 1, 1, 2) and errors.rate == pytest.approx(1 - 3 / 4)
    assert errors.precision == pytest.approx(2 / 3) and errors.recall == 1.0


def test_rollout_is_what_keep_rollout_gives():
    encoder = vitrine.Encoder(d_model=16, nhead=2, num_layers=3, dim_feedforward=16).init(4)
    x = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
    rolled = inspect.rollout(encoder(x).self_attn)
    np.testing.assert_allclose(rolled, encoder(x, keep="rollout").self_attn, atol=1e-6)


def test_pictures(pair, tmp_path):
    ours = pair("marian").ours
    best = ours.generate([[5, 17, 3, 0]], max_new_tokens=4, keep="weights")[0][0]
    best.save(tmp_path / "maps.html")
    page = (tmp_path / "maps.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "http://" not in page.split("<script>")[0]
    frame = best._repr_html_()
    assert frame.startswith('<iframe srcdoc="&lt;!doctype html') and frame.count('"') % 2 == 0
    assert "box-sizing:border-box;width:100%;height:780px" in frame  # 4 rows: no bar beside it, nor below
    result = ours([[5, 17, 3, 0], [9, 0]], [[89, 4], [89, 2]])
    with pytest.raises(vitrine.Error, match="the same layers"):
        result.to_bertviz()
    some = ours([[5, 17, 3, 0], [9, 0]], [[89, 4], [89, 2]], which=["self", "cross"])
    params = json.loads(some.to_bertviz("head", sequence=1))
    assert [one["name"] for one in params["attention"]] == ["Decoder", "Cross"]
    assert result.show(sequence=1).groups[1][1] == ["89", "2"]
    encoder = vitrine.Encoder(d_model=16, nhead=2, num_layers=2).init(1)
    shown = encoder(np.ones((3, 16), np.float32)).show(["a", "b", "<c>"])
    assert shown.groups[0][:3] == ("self", ["a", "b", "<c>"], ["a", "b", "<c>"])
    chosen = encoder(np.ones((3, 16), np.float32), layers=[1])
    assert json.loads(chosen.to_bertviz())["include_layers"] == [1]
    for missing in (lambda path: chosen.save(path / "x.html"), lambda path: chosen.to_npz(path / "x.npz")):
        with pytest.raises(vitrine.Error, match="No such file"):
            missing(tmp_path / "nowhere")
    with pytest.raises(vitrine.Error, match="2 tokens for 3 rows"):
        encoder(np.ones((3, 16), np.float32)).show(["a", "b"])
    nothing = encoder(np.ones((3, 16), np.float32), keep=None)
    assert nothing._repr_html_() is None
    with pytest.raises(vitrine.Error, match="no maps to show"):
        nothing.show()


def test_npz(pair, tmp_path):
    result = pair("marian").ours([[5, 17, 3, 0]], [[89, 4]])
    result.to_npz(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as file:
        np.testing.assert_array_equal(file["cross_attn/2"], result.cross_attn[2])
        np.testing.assert_array_equal(file["encoder/self_attn/1"], result.encoder.self_attn[1])
        assert "output" in file and "encoder/output" in file
    result = pair("marian").ours([[5, 17, 3, 0]], [[89, 4]], keep="scores")
    result.to_npz(tmp_path / "scores.npz")
    with np.load(tmp_path / "scores.npz") as file:
        np.testing.assert_array_equal(file["cross_attn_scores/2"], result.cross_attn_scores[2])
        np.testing.assert_array_equal(file["encoder/self_attn_scores/0"], result.encoder.self_attn_scores[0])
