"""Weights and maps in fewer bytes: what is stored, what is computed with it, beside the command line and f32."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
import vitrine
from test_corpus import run
from vitrine import corpus, inspect

G2P = Path(__file__).parent.parent.parent / "examples/models/g2p"
WORDS = [line.split("\t")[0] for line in (G2P / "words.tsv").read_text(encoding="utf-8").splitlines()[:60]]
STORED = ("bf16", "f16", "int8")
TYPES = {"f16": np.float16, "bf16": np.uint16, "u8": np.uint8}


def encoder(dtype=np.float32):
    return vitrine.Encoder(d_model=32, nhead=4, num_layers=2, dim_feedforward=64, dtype=dtype).init(3)


def some(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def rounded(weights, storage):
    """The values of a matrix in a storage, by NumPy and PyTorch."""
    if storage == "f16":
        return weights.astype(np.float16).astype(np.float32)
    if storage == "bf16":
        return torch.from_numpy(weights).bfloat16().float().numpy()
    scale = np.abs(weights).max(1, keepdims=True) / np.float32(127)
    scale = ((scale.view(np.uint32) + 127) & ~np.uint32(127)).view(np.float32)  # up to 17 bits
    return np.rint(weights / scale).astype(np.float32) * scale


@pytest.mark.parametrize("storage", STORED)
def test_folders_are_what_the_command_line_makes_of_them(storage):
    model = vitrine.load(G2P, weights=storage)
    assert model.weights == storage and vitrine.load(G2P).weights == "f32"
    done = run("translate", "--model", G2P, "--weights", storage, stdin="\n".join(WORDS) + "\n")
    assert done.returncode == 0, done.stderr
    found = [one[0] for one in model.generate(WORDS)]
    assert [one.text for one in found] == done.stdout.splitlines()
    rows = list(corpus.score(model, WORDS[:6], score="entropy"))
    full = list(corpus.score(G2P, WORDS[:6], score="entropy"))
    assert rows == list(corpus.score(G2P, WORDS[:6], score="entropy", weights=storage))
    assert (rows == full) == (storage == "f16")  # which is what its file holds
    # The programs are of AVX2: where an activation's last bit is another, so may its int8 be.
    off = 1e-2 if storage == "int8" else 2e-4
    for word, row in zip(WORDS, rows):
        one = model.score([word], [model.generate(word)[0][0].ids])[0]
        assert row["negative_log_probability"] == pytest.approx(-np.mean(one.log_probs), rel=off)
        assert row["entropy.l1.h0"] == pytest.approx(inspect.entropy(one.cross_attn[1][0]), rel=off)
    with pytest.raises(vitrine.Error, match=f"align computes in f32, and the model's weights are {storage}"):
        corpus.align(model, WORDS[:1], ["AE"])


@pytest.mark.parametrize("storage", STORED)
def test_layers_compute_with_what_they_store(storage, tmp_path):
    full, stored, x = encoder(), encoder(), some(3, 9, 32)
    assert stored.store_weights(storage) is stored and stored.store_weights(storage) is stored
    before, state = full.state_dict(), stored.state_dict()
    for name, weights in before.items():
        if weights.ndim == 2:
            np.testing.assert_allclose(state[name], rounded(weights, storage), rtol=0, atol=1e-7)
            assert not np.array_equal(state[name], weights)
        else:
            np.testing.assert_array_equal(state[name], weights)
    ours, same = stored(x), encoder().load_state_dict(state)(x)
    off = 0.03 if storage == "int8" else 2e-3 if storage == "bf16" else 1e-5  # of rounded activations
    assert np.abs(ours.output - same.output).max() < off * np.abs(same.output).max()
    assert not np.array_equal(ours.output, full(x).output)
    stored.save(tmp_path / "stored.safetensors")
    again = encoder().load(tmp_path / "stored.safetensors")
    for name, weights in again.state_dict().items():
        np.testing.assert_array_equal(weights, state[name])
    np.testing.assert_array_equal(again.store_weights(storage)(x).output, ours.output)
    full.save(tmp_path / "full.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("stored", "full")]
    assert sizes[0] < (0.4 if storage == "int8" else 0.6) * sizes[1]
    np.testing.assert_array_equal(stored.init(3)(x).output, full(x).output)  # f32 again


def test_live_modules_are_stored():
    module = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval()
    x = some(2, 7, 32)
    ours = vitrine.from_torch(module).store_weights("int8")(x)
    theirs = module(torch.from_numpy(x)).detach().numpy()
    assert 0 < np.abs(ours.output - theirs).max() < 0.05
    assert np.abs(ours.self_attn.sum(-1) - 1).max() < 1e-5


def test_storages_of_weights_that_are_refused():
    for wrong in ("int4", "", None, 8, ["int8"]):
        with pytest.raises(vitrine.Error, match='weights is .* and must be "f32", "bf16", "f16" or "int8"'):
            vitrine.load(G2P, weights=wrong)
        with pytest.raises(vitrine.Error, match='storage is .* and must be "f32", "bf16", "f16" or "int8"'):
            encoder().store_weights(wrong)
    with pytest.raises(vitrine.Error, match="stored in another way already: load them again"):
        encoder().store_weights("int8").store_weights("bf16")
    with pytest.raises(vitrine.Error, match="float64 layers are stored as float64: use float32"):
        encoder(np.float64).store_weights("int8")
    with pytest.raises(vitrine.Error, match="no values yet"):
        vitrine.EncoderLayer(8, 2).store_weights("int8")
    assert encoder(np.float64).store_weights("f32") is not None


def codes(weights, storage):
    """What each storage stores of f32 weights, by NumPy and PyTorch."""
    if storage == "u8":
        return np.rint(weights.astype(np.float64) * 255).astype(np.uint8)
    if storage == "f16":
        return weights.astype(np.float16)
    return torch.tensor(weights).bfloat16().view(torch.uint16).numpy()


def same_maps(stored, full, storage):
    """Codes of f32's maps, half a step off at most, by layer."""
    if isinstance(full, (tuple, list)):
        assert type(stored) is type(full) and len(stored) == len(full)
        return [same_maps(one, other, storage) for one, other in zip(stored, full)]
    if full is None:
        assert stored is None
        return None
    assert stored.dtype == TYPES[storage]
    np.testing.assert_array_equal(stored, codes(full, storage))
    floats = vitrine.as_floats(stored)
    assert floats.dtype == np.float32
    limit = {"u8": 1 / 510 + 1e-7, "f16": 2**-12, "bf16": 2**-9}[storage]
    assert np.abs(floats - full).max(initial=0) <= limit
    return None


@pytest.mark.parametrize("storage", TYPES)
def test_maps_of_layers(storage):
    ours, x = encoder(), some(3, 37, 32)
    for options in ({}, {"is_causal": True}, {"layers": [1], "heads": [0, 3]}, {"threads": 1}):
        stored, full = ours(x, map_storage=storage, **options), ours(x, **options)
        np.testing.assert_array_equal(stored.output, full.output)
        same_maps(stored.self_attn, full.self_attn, storage)
        assert stored.self_attn[1].shape == full.self_attn[1].shape
    ragged = [some(n, 32) for n in (5, 1, 18)]
    same_maps(ours(ragged, map_storage=storage).self_attn, ours(ragged).self_attn, storage)
    both = vitrine.Transformer(32, 4, 1, 2, 64).init(1)
    stored, full = (both(x, x[:, :5], map_storage=one) for one in (storage, "f32"))
    same_maps(stored.cross_attn, full.cross_attn, storage)
    same_maps(stored.encoder.self_attn, full.encoder.self_attn, storage)
    attention = vitrine.MultiheadAttention(32, 4, add_bias_kv=True, add_zero_attn=True).init(1)
    stored, full = (attention(x, map_storage=one) for one in (storage, "f32"))
    assert stored.self_attn.shape == (3, 4, 37, 39)
    same_maps(stored.self_attn, full.self_attn, storage)
    heads = some(2, 4, 6, 8)
    stored, full = (vitrine.scaled_dot_product_attention(heads, heads, heads, map_storage=s) for s in (storage, "f32"))
    same_maps(stored.self_attn, full.self_attn, storage)


@pytest.mark.parametrize("storage", TYPES)
@pytest.mark.parametrize("kind", ["marian", "gpt2"])
def test_maps_of_models(pair, kind, storage):
    model = pair(kind).ours
    sources, targets = [[5, 17, 3, 44, 9, 0], [7, 61, 0]], [[4, 8, 0], [12, 3, 3, 7, 0]]
    for options in ({}, {"num_beams": 3, "num_return_sequences": 2}):
        calls = [
            model.generate(sources, max_new_tokens=9, keep="weights", map_storage=one, **options)
            for one in (storage, "f32")
        ]
        for stored, full in zip(*map(np.ravel, calls)):
            assert stored.ids == full.ids and stored.score == full.score
            same_maps(stored.self_attn, full.self_attn, storage)
            same_maps(stored.cross_attn, full.cross_attn, storage)
            same_maps(stored.encoder_self_attn, full.encoder_self_attn, storage)
    for stored, full in zip(model.score(sources, targets, map_storage=storage), model.score(sources, targets)):
        assert stored.log_probs == full.log_probs
        same_maps(stored.self_attn, full.self_attn, storage)
        same_maps(stored.cross_attn, full.cross_attn, storage)
    found = [model.encode([sources[0]]).step([5], map_storage=one) for one in (storage, "f32")]
    np.testing.assert_array_equal(found[0].output, found[1].output)
    same_maps(found[0].self_attn, found[1].self_attn, storage)
    same_maps(found[0].cross_attn, found[1].cross_attn, storage)


@pytest.mark.parametrize("storage", TYPES)
def test_maps_are_views_that_keep_their_memory(storage):
    ours, x = encoder(), some(2, 64, 32)
    result = ours(x, map_storage=storage)
    maps = result.self_attn[1]
    expected = maps.copy()
    assert np.shares_memory(maps, result.self_attn[1]) and not maps.flags.owndata
    del result
    gc.collect()
    ours(some(4, 64, 32), map_storage=storage)
    np.testing.assert_array_equal(maps, expected)
    tensor = torch.from_numpy(maps)
    assert tensor.data_ptr() == maps.ctypes.data
    if storage == "bf16":
        np.testing.assert_array_equal(tensor.view(torch.bfloat16).float().numpy(), vitrine.as_floats(maps))


def test_compact_maps_are_looked_at_as_floats(tmp_path):
    ours, x = encoder(), some(2, 6, 32)
    stored, full = ours(x, map_storage="u8"), ours(x)
    floats = vitrine.as_floats(stored.self_attn)
    assert inspect.entropy(stored.self_attn[1][0, 2]) == inspect.entropy(floats[1][0, 2])
    np.testing.assert_array_equal(inspect.rollout([one[0] for one in stored.self_attn]), inspect.rollout([o[0] for o in floats]))
    np.testing.assert_allclose(inspect.rollout([one[0] for one in stored.self_attn]), inspect.rollout([o[0] for o in full.self_attn]), atol=2 / 255)
    assert "<html" in stored.show().html() and '"attn"' in stored.to_bertviz()
    stored.to_npz(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as file:
        np.testing.assert_array_equal(file["self_attn/1"], stored.self_attn[1])
    assert vitrine.as_floats(None) is None and vitrine.as_floats(full.self_attn[0]) is full.self_attn[0]
    figures = ours(x, keep="statistics").self_attn[0]
    assert vitrine.as_floats(figures) is figures


def test_storages_of_maps_that_are_refused():
    ours, x = encoder(), some(2, 5, 32)
    for wrong in ("f64", "int8", "", None, 8, ["u8"]):
        with pytest.raises(vitrine.Error, match='map_storage is .* and must be "f32", "f16", "bf16" or "u8"'):
            ours(x, map_storage=wrong)
    for keep in ("scores", "head_mean", "statistics", "top8", "rollout", None):
        with pytest.raises(vitrine.Error, match=f'map_storage="u8" is of keep="weights" only, and keep is {keep!r}'):
            ours(x, keep=keep, map_storage="u8")
    with pytest.raises(vitrine.Error, match='keep="weights" only, and keep is None'):
        vitrine.load(G2P).generate("radium", map_storage="u8")
    with pytest.raises(vitrine.Error, match="float64 layers are stored as float64"):
        encoder(np.float64)(x, map_storage="u8")
