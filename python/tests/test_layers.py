"""PyTorch's modules beside vitrine's: live modules, layers by PyTorch's options, masks, layouts, policies."""

import json
import warnings

import numpy as np
import pytest
import torch
import vitrine
from torch import nn

WIDTH, HEADS = 32, 4
warnings.filterwarnings("ignore", message=".*(enable_nested_tensor|nested tensors|mismatched).*")


def randn(*shape, dtype=torch.float32, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))).to(dtype)


def scrambled(module, seed=7):
    """Every parameter different, biases and norms included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype))
    return module.eval()


def agree(ours, theirs, tolerance=2e-5):
    theirs = theirs.detach().double().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max(initial=0) <= tolerance * max(1.0, np.abs(theirs).max(initial=0))


class Hooks:
    """All attention weights of a PyTorch module, per head: examples/python/hook_recipe.py in a few lines."""

    def __init__(self, module):
        self.maps = {}
        self.attentions = {n: m for n, m in module.named_modules() if isinstance(m, nn.MultiheadAttention)}

    def __enter__(self):
        torch.backends.mha.set_fastpath_enabled(False)
        for name, attention in self.attentions.items():
            forward = attention.forward

            def shown(*a, _forward=forward, _name=name, **k):
                out = _forward(*a, **{**k, "need_weights": True, "average_attn_weights": False})
                self.maps[_name] = out[1]
                return out

            attention.forward = shown
        return self

    def __exit__(self, *_):
        for attention in self.attentions.values():
            del attention.forward
        torch.backends.mha.set_fastpath_enabled(True)


def layer_options(**more):
    return dict(d_model=WIDTH, nhead=HEADS, dim_feedforward=48, batch_first=True, **more)


def made(kind, **more):
    o = layer_options(**more)
    torch.manual_seed(1)
    if kind == "encoder_layer":
        return scrambled(nn.TransformerEncoderLayer(**o))
    if kind == "decoder_layer":
        return scrambled(nn.TransformerDecoderLayer(**o))
    if kind == "encoder":
        layer = nn.TransformerEncoderLayer(**o)
        return scrambled(nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(WIDTH, bias=o.get("bias", True)), enable_nested_tensor=False))
    if kind == "decoder":
        return scrambled(nn.TransformerDecoder(nn.TransformerDecoderLayer(**o), 2))
    return scrambled(nn.Transformer(num_encoder_layers=2, num_decoder_layers=2, **o))


def run_both(module, *inputs, **masks):
    """(vitrine's result, PyTorch's output, PyTorch's maps by name)."""
    with Hooks(module) as hooks, torch.no_grad():
        output = module(*inputs, **masks)
    ours = {}
    for name, mask in masks.items():
        is_matrix = torch.is_tensor(mask) and mask.dtype == torch.bool and "padding" not in name
        ours[name] = vitrine.from_torch_attn_mask(mask) if is_matrix else mask
    if "mask" in ours:
        ours["src_mask"] = ours.pop("mask")
    return vitrine.from_torch(module)(*inputs, **ours), output, hooks.maps


CAUSAL = nn.Transformer.generate_square_subsequent_mask(6)
PADDING = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])


@pytest.mark.parametrize("options", [{}, {"norm_first": True, "activation": "gelu"}, {"bias": False}])
@pytest.mark.parametrize("kind", ["encoder_layer", "decoder_layer", "encoder", "decoder", "transformer"])
def test_live_modules(kind, options):
    module = made(kind, **options)
    src, tgt = randn(2, 6, WIDTH), randn(2, 5, WIDTH, seed=9)
    if "encoder" in kind:
        result, output, maps = run_both(module, src, src_key_padding_mask=PADDING)
        stacks = {"self_attn": result.self_attn}
    elif "decoder" in kind:
        result, output, maps = run_both(module, tgt, src, tgt_mask=CAUSAL[:5, :5], memory_key_padding_mask=PADDING)
        stacks = {"self_attn": result.self_attn, "multihead_attn": result.cross_attn}
    else:
        result, output, maps = run_both(module, src, tgt, tgt_mask=CAUSAL[:5, :5], src_key_padding_mask=PADDING)
        stacks = {"decoder.self": result.self_attn, "decoder.multihead": result.cross_attn}
        stacks["encoder.self"] = result.encoder.self_attn
    agree(result.output, output)
    for name, theirs in maps.items():
        side, attention = name.split(".")[0], name.split(".")[-1]
        if kind == "transformer":
            agree(stacks[f"{side}.{attention.split('_')[0]}"][int(name.split(".")[2])], theirs)
        elif "layers" in name:
            agree(stacks[attention][int(name.split(".")[1])], theirs)
        else:
            agree(stacks[attention], theirs)


@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"add_bias_kv": True, "add_zero_attn": True}, {"kdim": 20, "vdim": 24}]
)
def test_multihead_attention(options):
    torch.manual_seed(2)
    attention = scrambled(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options))
    query, key, value = randn(2, 5, WIDTH), randn(2, 6, options.get("kdim", WIDTH)), randn(2, 6, options.get("vdim", WIDTH))
    mask = randn(5, 6)
    with torch.no_grad():
        output, weights = attention(query, key, value, attn_mask=mask, average_attn_weights=False)
    result = vitrine.from_torch(attention)(query, key, value, attn_mask=mask)
    agree(result.output, output)
    agree(result.cross_attn, weights)
    if not options.get("kdim"):
        with torch.no_grad():
            output, weights = attention(query, query, query, average_attn_weights=False)
        result = vitrine.from_torch(attention)(query)
        agree(result.output, output)
        agree(result.self_attn, weights)


def test_masks_in_every_form():
    module = made("encoder_layer")
    x = randn(2, 6, WIDTH)
    flags = torch.rand(6, 6, generator=torch.Generator().manual_seed(0)) < 0.3
    flags.fill_diagonal_(False)
    per_head = randn(2 * HEADS, 6, 6)
    for masks in (
        {"src_mask": CAUSAL},
        {"src_mask": flags},
        {"src_mask": per_head},
        {"src_mask": CAUSAL, "src_key_padding_mask": PADDING.float() * -1e4},
    ):
        result, output, maps = run_both(module, x, **masks)
        agree(result.output, output)
        agree(result.self_attn, maps["self_attn"])
    ours = vitrine.from_torch(module)
    causal = ours(x, src_mask=vitrine.causal())
    for same in (
        ours(x, is_causal=True),
        ours(x, src_mask=CAUSAL),
        ours(x, src_mask=vitrine.from_torch_sdpa_mask(CAUSAL == 0)),
        ours(x, src_mask=vitrine.from_torch_attn_mask(CAUSAL != 0)),
        ours(x, src_mask=vitrine.window(None, 0)),
    ):
        np.testing.assert_array_equal(same.self_attn, causal.self_attn)
    padded = ours(x, src_key_padding_mask=PADDING)
    for same in (
        ours(x, src_mask=vitrine.key_lengths([6, 4])),
        ours(x, src_mask=vitrine.from_hf_attention_mask((~PADDING).long())),
    ):
        np.testing.assert_array_equal(same.output, padded.output)
    both = ours(x, src_mask=vitrine.causal() & vitrine.key_lengths([6, 4]))
    assert (both.self_attn[1, :, :, 4:] == 0).all() and both.self_attn[0, 0, 5, 5] > 0


def test_a_bare_bool_mask_is_refused_with_both_spellings():
    ours = vitrine.EncoderLayer(d_model=8, nhead=2, dim_feedforward=8).init(1)
    x = np.zeros((1, 3, 8), np.float32)
    for mask in (np.zeros((3, 3), bool), torch.zeros(3, 3, dtype=torch.bool), np.zeros((3, 3), np.int64)):
        with pytest.raises(vitrine.Error, match="from_torch_attn_mask.*from_torch_sdpa_mask"):
            ours(x, src_mask=mask)


def test_layouts():
    torch.manual_seed(3)
    first = made("encoder_layer")
    second = nn.TransformerEncoderLayer(WIDTH, HEADS, 48, batch_first=False)
    second.load_state_dict(first.state_dict())
    x = randn(2, 6, WIDTH)
    plain = vitrine.from_torch(first)(x)
    other = vitrine.from_torch(second.eval())
    swapped = other(x.transpose(0, 1))
    np.testing.assert_array_equal(swapped.output, plain.output.swapaxes(0, 1))
    np.testing.assert_array_equal(swapped.self_attn, plain.self_attn)
    alone = other(x[1])
    np.testing.assert_array_equal(alone.output, plain.output[1])
    np.testing.assert_array_equal(alone.self_attn, plain.self_attn[1])


def sequence_of(found, b):
    """Sequence b of what a ragged call found: of tuples over layers, of lists, of named tuples."""
    if found is None or isinstance(found, (list, np.ndarray)):
        return None if found is None else found[b]
    return tuple(sequence_of(one, b) for one in found)


def assert_same(left, right):
    if isinstance(left, tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("keep", ["weights", "scores", "head_mean", "statistics", "top8", "rollout", None])
@pytest.mark.parametrize("kind", ["encoder_layer", "encoder", "decoder", "transformer"])
def test_lists_of_sequences_of_different_lengths(kind, keep, tmp_path):
    ours = vitrine.from_torch(made(kind))
    lengths = {"decoder": ([4, 0, 6], [5, 3, 2]), "transformer": ([5, 3, 2], [4, 0, 6])}.get(kind, ([4, 1, 6],))
    targets = lengths[-1] if kind == "transformer" else lengths[0]
    inputs = [[randn(n, WIDTH, seed=7 * n) for n in one] for one in lengths]
    causal = {"is_causal": True} if "encoder" in kind else {"tgt_mask": vitrine.causal()}
    together = ours(*inputs, keep=keep, **causal)
    assert isinstance(together.output, list) and len(together.output) == len(targets)
    for b, length in enumerate(targets):
        if length == 0:
            assert together.output[b].shape == (0, WIDTH)
            continue
        alone = ours(*[one[b] for one in inputs], keep=keep, **causal)  # the same bits
        assert_same(together.output[b], alone.output)
        for name in ("self_attn", "cross_attn", "self_attn_scores", "cross_attn_scores"):
            assert_same(sequence_of(getattr(together, name), b), getattr(alone, name))
        if kind == "transformer":
            assert_same(together.encoder.output[b], alone.encoder.output)
            assert_same(sequence_of(together.encoder.self_attn, b), alone.encoder.self_attn)
    together.to_npz(tmp_path / "ragged.npz")
    assert np.load(tmp_path / "ragged.npz")["output/2"].shape == (targets[2], WIDTH)
    assert f"({targets[2]}, {WIDTH})" in repr(together)
    if keep == "weights":
        assert "<html" in together.show(sequence=2).html()


def test_what_lists_are_refused():
    ours = vitrine.from_torch(made("transformer"))
    rows = randn(3, WIDTH)
    for inputs, words in (
        (([rows], rows[None]), "tgt must be a list of arrays"),
        (([rows, rows[:, :8]], [rows, rows]), r"src\[1\] is \(3, 8\) and must be \(T, 32\)"),
        (([rows, rows[0]], [rows, rows]), r"src\[1\]"),
        (([rows, "text"], [rows, rows]), r"src\[1\]"),
        (([rows, rows], [rows]), "batch"),
    ):
        with pytest.raises(vitrine.Error, match=words):
            ours(*inputs)


def test_every_float_type():
    x = randn(2, 5, WIDTH)
    double = made("encoder").double()
    result, output, maps = run_both(double, x.double())
    assert result.output.dtype == np.float64
    agree(result.output, output, 1e-11)
    agree(result.self_attn[2], maps["layers.2.self_attn"], 1e-11)
    for dtype in (torch.float16, torch.bfloat16):
        half = made("encoder_layer").to(dtype)
        wide = made("encoder_layer").to(dtype).float()
        ours = vitrine.from_torch(half)(x.to(dtype))
        assert ours.output.dtype == np.float32
        with torch.no_grad():
            agree(ours.output, wide(x.to(dtype).float()))


def test_subclasses_and_wrappers():
    class Own(nn.TransformerEncoderLayer):
        pass

    class Changed(nn.TransformerEncoderLayer):
        def forward(self, src, **_):
            return src

    own = scrambled(Own(**layer_options()))
    x = randn(2, 5, WIDTH)
    with torch.no_grad():
        agree(vitrine.from_torch(own)(x).output, own(x))
    agree(vitrine.from_torch(nn.DataParallel(own))(x).output, own(x))
    with pytest.raises(vitrine.Error, match="replaces TransformerEncoderLayer.forward"):
        vitrine.from_torch(Changed(**layer_options()))
    with pytest.raises(vitrine.Error, match="Linear is none of"):
        vitrine.from_torch(nn.Linear(3, 3))
    with pytest.raises(vitrine.Error, match="meta device"):
        vitrine.from_torch(nn.TransformerEncoderLayer(**layer_options(), device="meta"))
    with pytest.warns(UserWarning, match="training mode"):
        vitrine.from_torch(Own(**layer_options(dropout=0.1)))

    class Extra(nn.TransformerEncoderLayer):  # its forward, the stock one, does not look at them
        def __init__(self, **options):
            super().__init__(**options)
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
            self.more = nn.Linear(3, 3)

    extra = scrambled(Extra(**layer_options(bias=False)))
    with torch.no_grad():
        agree(vitrine.from_torch(extra)(x).output, extra(x))


def test_parts_that_compute_something_else_are_refused():
    class Thrice(nn.Linear):
        def forward(self, x):
            return 3 * super().forward(x)

    class Norm(nn.LayerNorm):
        def forward(self, x):
            return 3 * super().forward(x)

    def patched(layer):
        layer.norm1.forward = lambda x: x

    for change, words in (
        (lambda layer: setattr(layer, "linear1", Thrice(WIDTH, 48)), "this Thrice replaces Linear.forward"),
        (lambda layer: setattr(layer, "norm2", Norm(WIDTH)), "this Norm replaces LayerNorm.forward"),
        (lambda layer: setattr(layer, "dropout1", nn.Tanh()), "dropout1 of this .* is a Tanh"),
        (lambda layer: setattr(layer, "linear1", nn.Sequential(nn.Linear(WIDTH, 48))), "linear1 of this .* Sequential"),
        (lambda layer: setattr(layer, "norm1", nn.Identity()), "norm1 of this .* Identity"),
        (lambda layer: setattr(layer.self_attn, "out_proj", nn.Identity()), "out_proj of this .* Identity"),
        (patched, "LayerNorm.forward"),
    ):
        layer = made("encoder_layer")
        change(layer)
        with pytest.raises(vitrine.Error, match=words):
            vitrine.from_torch(layer)
    layer = made("encoder_layer")
    layer.norm1.register_forward_hook(lambda module, inputs, output: 2 * output)
    with pytest.warns(UserWarning, match="norm1: hooks on forward are not run"):
        vitrine.from_torch(layer)


def test_truth_values_are_truth_values():
    layer, x = made_plain(), np.ones((2, 5, 16), np.float32)
    for wrong in ("no", np.array([1, 0]), 2, None):
        with pytest.raises(vitrine.Error, match="is_causal"):
            layer(x, is_causal=wrong)
    with pytest.raises(vitrine.Error, match="batch_first"):
        vitrine.EncoderLayer(d_model=16, nhead=2, batch_first="False")
    np.testing.assert_array_equal(layer(x, is_causal=np.True_).output, layer(x, is_causal=True).output)
    ones = [[1, 1, 1, 0, 0]] * 2  # Transformers' sense: in PyTorch's it would be turned round
    with pytest.raises(vitrine.Error, match="from_hf_attention_mask"):
        layer(x, src_key_padding_mask=ones)
    with pytest.raises(vitrine.Error, match="from_hf_attention_mask"):
        vitrine.from_torch_attn_mask(np.ones((5, 5), int))
    masked = layer(x, src_key_padding_mask=vitrine.from_hf_attention_mask(ones))
    assert masked.self_attn[..., 3:].max() == 0


def made_plain():
    return vitrine.EncoderLayer(d_model=16, nhead=2, dim_feedforward=16).init(1)


def test_the_sequence_of_a_module_that_has_it_second():
    module = vitrine.EncoderLayer(d_model=16, nhead=2, dim_feedforward=16, batch_first=False).init(1)
    result = module(np.random.default_rng(1).normal(size=(2, 5, 16)).astype(np.float32))  # T 2, B 5
    shown = result.show(sequence=4).groups[0][3][0]
    np.testing.assert_array_equal(shown, result.self_attn[4])
    for wrong in (5, -1, "0", 1.5):
        with pytest.raises(vitrine.Error):
            result.show(sequence=wrong)
    with pytest.raises(vitrine.Error, match="tokens is int"):
        result.show(tokens=5)


def test_options_values_and_files(tmp_path):
    module = made("encoder")
    ours = vitrine.Encoder(d_model=WIDTH, nhead=HEADS, num_layers=3, dim_feedforward=48, final_norm=True)
    x = randn(2, 5, WIDTH)
    with pytest.raises(vitrine.Error, match="no values yet"):
        ours(x)
    ours.load_state_dict(module.state_dict())
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], value.numpy())
    ours.save(tmp_path / "encoder.safetensors")
    again = vitrine.Encoder(d_model=WIDTH, nhead=HEADS, num_layers=3, dim_feedforward=48, final_norm=True)
    again.load(tmp_path / "encoder.safetensors")
    np.testing.assert_array_equal(again(x).output, ours(x).output)
    wrong = vitrine.Encoder(d_model=WIDTH, nhead=2, num_layers=3, dim_feedforward=48, final_norm=True)
    with pytest.raises(vitrine.Error, match="nhead is 4 in the file's configuration and 2 in the layer's"):
        wrong.load(tmp_path / "encoder.safetensors")
    state = module.state_dict()
    state["layers.0.norm1.weight"] = torch.ones(3)
    del state["layers.1.norm1.weight"]
    with pytest.raises(vitrine.Error, match="layers.1.norm1.weight.*of another shape.*layers.0.norm1.weight"):
        ours.load_state_dict(state)
    np.testing.assert_array_equal(again(x).output, ours(x).output)  # as it was
    assert ours.config["nhead"] == HEADS and json.dumps(ours.config)
    seeded = [vitrine.DecoderLayer(d_model=8, nhead=2).init(seed).state_dict() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(seeded[0]["linear1.weight"], seeded[1]["linear1.weight"])
    assert (seeded[0]["linear1.weight"] != seeded[2]["linear1.weight"]).any()


def test_policies():
    module = made("decoder")
    tgt, memory = randn(2, 5, WIDTH), randn(2, 6, WIDTH)
    ours = vitrine.from_torch(module)
    plain = ours(tgt, memory, tgt_is_causal=True)
    for keep in ("scores", "head_mean", "statistics", "top8", "rollout", None):
        other = ours(tgt, memory, tgt_is_causal=True, keep=keep)
        np.testing.assert_array_equal(other.output, plain.output)
        if keep is None:
            assert other.self_attn is None and other.cross_attn is None
        elif keep == "scores":
            scores = other.self_attn_scores[1]
            assert np.isneginf(scores[0, 0][np.triu_indices(5, 1)]).all()
            weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
            np.testing.assert_allclose(weights, plain.self_attn[1], atol=1e-6)
            np.testing.assert_array_equal(other.cross_attn[0], plain.cross_attn[0])
        elif keep == "head_mean":
            np.testing.assert_allclose(other.cross_attn[1], plain.cross_attn[1].mean(1), atol=1e-6)
        elif keep == "statistics":
            w, s = plain.cross_attn[1], other.cross_attn[1]
            np.testing.assert_allclose(s.entropy, -(w * np.log(w)).sum(-1), atol=1e-5)
            np.testing.assert_array_equal(s.largest, w.max(-1))
            np.testing.assert_array_equal(s.largest_key, w.argmax(-1))
            np.testing.assert_allclose(s.received, w.sum(-2), atol=1e-5)
        elif keep == "top8":
            top = other.cross_attn[0]
            assert top.weights.shape == top.keys.shape == (2, HEADS, 5, 8)
            np.testing.assert_array_equal(top.weights[..., 0], plain.cross_attn[0].max(-1))
            np.testing.assert_array_equal(top.keys[..., 6:], -1)
        else:
            rolled = np.eye(5, dtype=np.float32)
            for maps in plain.self_attn:
                rolled = (0.5 * maps.mean(1) + 0.5 * np.eye(5, dtype=np.float32)) @ rolled
            np.testing.assert_allclose(other.self_attn, rolled, atol=1e-6)
            assert other.cross_attn is None


def test_selections():
    ours = vitrine.from_torch(made("transformer"))
    src, tgt = randn(2, 6, WIDTH), randn(2, 5, WIDTH)
    plain = ours(src, tgt)
    some = ours(src, tgt, layers=[1], heads=[0, 3], which="cross")
    assert some.self_attn is None and some.encoder.self_attn is None and some.cross_attn[0] is None
    np.testing.assert_array_equal(some.cross_attn[1], plain.cross_attn[1][:, [0, 3]])
    some = ours(src, tgt, which=["self", "encoder"], keep="statistics", heads=2)
    assert some.cross_attn is None and some.self_attn[0].entropy.shape == (2, 1, 5)
    assert len(plain.decoder_attentions) == len(plain.cross_attentions) == len(plain.encoder_attentions) == 2
    with pytest.raises(vitrine.Error, match="names a layer that the model does not have"):
        ours(src, tgt, layers=[2])
    with pytest.raises(vitrine.Error, match='keep is "?\'?everything'):
        ours(src, tgt, keep="everything")
    with pytest.raises(AttributeError):
        plain.attentions


def test_head_scale():
    ours = vitrine.from_torch(made("encoder"))
    x = randn(2, 5, WIDTH)
    plain = ours(x)
    np.testing.assert_array_equal(ours(x, head_scale=np.ones(HEADS)).output, plain.output)
    off = ours(x, head_scale=[1.0, 0.0, 1.0, 1.0])
    assert (off.output != plain.output).any()
    np.testing.assert_array_equal(off.self_attn[0], plain.self_attn[0])
    with pytest.raises(vitrine.Error):
        ours(x, head_scale=np.ones(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scaled_dot_product_attention(dtype):
    query, key, value = randn(2, 4, 5, 8, dtype=dtype), randn(2, 2, 6, 8, dtype=dtype), randn(2, 2, 6, 7, dtype=dtype)
    flags = torch.rand(2, 1, 5, 6, generator=torch.Generator().manual_seed(1)) < 0.7
    flags[..., 0] = True
    theirs = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=flags, scale=0.3, enable_gqa=True)
    ours = vitrine.scaled_dot_product_attention(query, key, value, vitrine.from_torch_sdpa_mask(flags), scale=0.3)
    agree(ours.output, theirs, 1e-5)
    assert ours.self_attn.shape == (2, 4, 5, 6)
    np.testing.assert_allclose(ours.self_attn.sum(-1), 1, rtol=1e-6)
    flat = vitrine.scaled_dot_product_attention(query, key, value, scale=0.0)
    uniform = nn.functional.scaled_dot_product_attention(query, key, value, scale=0.0, enable_gqa=True)
    agree(flat.output, uniform, 1e-5)
    assert np.abs(flat.self_attn - 1 / 6).max() < 1e-6
    with pytest.raises(vitrine.Error, match="softcap"):
        vitrine.scaled_dot_product_attention(query, key, value, softcap=-1.0)
    past = vitrine.scaled_dot_product_attention(
        query, key[:, :, 4:], value[:, :, 4:], vitrine.from_torch_sdpa_mask(flags), scale=0.3,
        past_key=key[:, :, :4], past_value=value[:, :, :4],
    )  # fmt: skip
    np.testing.assert_array_equal(past.output, ours.output)
