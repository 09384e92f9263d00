"""Arrays: views that keep their memory alive, the array protocol and DLPack, layouts of inputs."""

import gc
import weakref

import numpy as np
import pytest
import torch
import vitrine

ENCODER = dict(d_model=16, nhead=2, num_layers=2, dim_feedforward=16)


def encoder():
    return vitrine.Encoder(**ENCODER).init(3)


def test_views_keep_their_memory_alive():
    ours, x = encoder(), np.random.default_rng(1).normal(size=(2, 7, 16)).astype(np.float32)
    result = ours(x)
    maps, output = result.self_attn[1], result.output
    assert maps.base is not None and not maps.flags.owndata
    again = result.self_attn[1]
    assert np.shares_memory(maps, again)
    part = maps[1, :, 3:]
    expected = (maps.copy(), output.copy(), part.copy())
    del result, again, ours
    gc.collect()
    waste = [encoder()(np.full((2, 7, 16), float(i), np.float32)) for i in range(50)]  # whatever was freed is overwritten
    np.testing.assert_array_equal(maps, expected[0])
    np.testing.assert_array_equal(output, expected[1])
    del maps, output, waste
    gc.collect()
    np.testing.assert_array_equal(part, expected[2])


def test_memory_is_given_back():
    import resource

    ours = encoder()
    x = np.zeros((4, 256, 16), np.float32)
    for _ in range(20):
        ours(x).self_attn
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):  # 4 MB of maps each
        ours(x).self_attn
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


def test_a_result_dies_with_its_last_array():
    result = encoder()(np.zeros((1, 3, 16), np.float32))
    owner = result._core
    maps = result.self_attn[0]
    assert isinstance(owner, vitrine._core.Result)
    del owner, result
    gc.collect()
    watched = weakref.ref(maps)
    del maps
    gc.collect()
    assert watched() is None


def test_protocols():
    result = encoder()(np.ones((2, 5, 16), np.float32))
    maps = result.self_attn[0]
    for tensor in (torch.from_numpy(maps), torch.from_dlpack(maps), torch.as_tensor(maps)):
        assert tensor.data_ptr() == maps.ctypes.data
        np.testing.assert_array_equal(tensor.numpy(), maps)
    assert np.shares_memory(np.asarray(maps), maps) and np.shares_memory(np.from_dlpack(maps), maps)
    assert maps.flags.writeable and maps.flags.c_contiguous
    del result
    gc.collect()
    assert float(tensor.sum()) == pytest.approx(2 * 2 * 5)


def test_inputs_in_every_layout():
    ours, rng = encoder(), np.random.default_rng(2)
    x = rng.normal(size=(3, 6, 16)).astype(np.float32)
    expected = ours(x).output
    read_only = x.copy()
    read_only.setflags(write=False)
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    for same in (
        np.asfortranarray(x),
        x.astype(">f4"),
        x.astype(np.float64),
        read_only,
        unaligned,
        np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1),
        np.repeat(x, 2, axis=1)[:, ::2],
        np.repeat(x, 2, axis=2)[:, :, ::2],
        x[::-1][::-1],
        torch.from_numpy(x),
        torch.from_numpy(x).requires_grad_(),
        x.tolist(),
        memoryview(x),
    ):
        np.testing.assert_array_equal(ours(same).output, expected)
    np.testing.assert_array_equal(ours(x[::-1]).output, expected[::-1])
    np.testing.assert_array_equal(ours(np.broadcast_to(x[:1], x.shape)).output[2], expected[0])
    np.testing.assert_array_equal(ours(x[1]).output, expected[1])
    assert ours(x[:0]).output.shape == (0, 6, 16)
    assert ours(np.zeros((0, 6, 16), x.dtype)).output.shape == (0, 6, 16)


def test_wrong_inputs_are_errors():
    ours = encoder()
    for wrong in (
        None,
        "text",
        b"bytes",
        object(),
        [[1.0, 2.0], [3.0]],
        np.zeros((2, 3, 15), np.float32),
        np.zeros((2, 3, 4, 16), np.float32),
        np.zeros(16, np.float32),
        np.zeros((2, 3, 16), np.int32),
        np.zeros((2, 3, 16), np.complex64),
        np.zeros((2, 3, 16), object),
        np.array(["a"]),
    ):
        with pytest.raises(vitrine.Error):
            ours(wrong)
    assert issubclass(vitrine.Error, ValueError)
    with pytest.raises(vitrine.Error, match=r"the input's width must be d_model \(got 15, expected 16\)"):
        ours(np.zeros((2, 3, 15), np.float32))
    for options in ({"nhead": 3}, {"d_model": -4}, {"activation": "tanh"}, {"num_layers": 2000}, {"nhead": "x"}):
        with pytest.raises(vitrine.Error):
            vitrine.Encoder(**{**ENCODER, **options}).init(1)(np.zeros((1, 2, 16), np.float32))
