"""Families beside Transformers, eager: outputs, maps, greedy and beam search, scores; and what folders refuse."""

import json
import shutil

import numpy as np
import pytest
import torch
import vitrine

SEQ2SEQ = ("marian", "bart", "mbart", "m2m_100", "t5", "mt5")
ENCODERS = ("bert", "distilbert", "roberta", "xlm-roberta", "albert")


def agree(ours, theirs, tolerance=3e-5):
    theirs = theirs.detach().double().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * max(1.0, np.abs(theirs).max())


def agree_all(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        agree(mine, other)


IDS = torch.tensor([[5, 17, 3, 44, 9, 0], [7, 7, 61, 0, 89, 89]])
KEEP = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])


@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders(pair, kind):
    both = pair(kind)
    more = {} if kind not in ("bert", "albert") else {"token_type_ids": torch.tensor([[0, 0, 1, 1, 1, 0]] * 2)}
    with torch.no_grad():
        theirs = both.theirs(input_ids=IDS, attention_mask=KEEP, output_attentions=True, **more)
    ours = both.ours(IDS, attention_mask=KEEP, **more)
    agree(ours.last_hidden_state, theirs.last_hidden_state)
    agree_all(ours.attentions, theirs.attentions)
    if kind != "distilbert":
        agree(ours.pooler_output, theirs.pooler_output)
    with pytest.raises(vitrine.Error, match="which generates nothing"):
        both.ours.generate([[1, 2]])


def test_images(pair):
    both = pair("vit")
    pixels = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = both.theirs(pixel_values=pixels, output_attentions=True)
    ours = both.ours(pixel_values=pixels)
    assert both.ours.image_size == (3, 24, 24)
    agree(ours.last_hidden_state, theirs.last_hidden_state)
    agree_all(ours.attentions, theirs.attentions)
    agree(ours.pooler_output, theirs.pooler_output)
    one = both.ours(pixel_values=pixels[1], keep="head_mean")
    np.testing.assert_array_equal(one.output, ours.output[1])
    assert "<html" in ours.show().html()
    for wrong, words in (
        ({}, "takes pixel_values"),
        ({"input_ids": IDS}, "takes pixel_values"),
        ({"input_ids": IDS, "pixel_values": pixels}, "pixel_values alone"),
        ({"pixel_values": pixels[0, 0]}, "must be"),
        ({"pixel_values": pixels[:, :1]}, "channels"),
        ({"pixel_values": pixels[..., 1:]}, "another width"),
    ):
        with pytest.raises(vitrine.Error, match=words):
            both.ours(**wrong)
    with pytest.raises(vitrine.Error, match="which generates nothing"):
        both.ours.generate([[1, 2]])
    with pytest.raises(vitrine.Error, match="takes input_ids"):
        pair("bert").ours(pixel_values=pixels)


def test_sampling_is_seeded(pair):
    ours = pair("gpt2").ours
    options = dict(do_sample=True, temperature=1.5, top_k=20, top_p=0.9, max_new_tokens=12, eos_token_id=None)
    drawn = [ours.generate([[5, 17, 3]], seed=seed, **options)[0][0].ids for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1] and len({tuple(ids) for ids in drawn}) > 1


@pytest.mark.parametrize("kind", SEQ2SEQ)
def test_seq2seq(pair, kind):
    both = pair(kind)
    target = torch.tensor([[89, 4, 31, 8], [89, 61, 2, 0]])
    with torch.no_grad():
        theirs = both.theirs(input_ids=IDS, attention_mask=KEEP, decoder_input_ids=target, output_attentions=True)
    ours = both.ours(IDS, target, attention_mask=KEEP)
    agree(ours.logits, theirs.logits)
    agree(ours.encoder_last_hidden_state, theirs.encoder_last_hidden_state)
    agree_all(ours.decoder_attentions, theirs.decoder_attentions)
    agree_all(ours.cross_attentions, theirs.cross_attentions)
    agree_all(ours.encoder_attentions, theirs.encoder_attentions)
    lists = both.ours([[5, 17, 3, 44, 9, 0], [7, 7, 61, 0]], target)  # padded and masked
    np.testing.assert_array_equal(lists.logits, ours.logits)
    with pytest.raises(vitrine.Error, match="takes decoder_input_ids, too"):
        both.ours(IDS)


@pytest.mark.parametrize("kind", ("gpt2", "Llama", "Mistral", "Qwen2", "Qwen3", "Gemma2", "GPTNeoX"))
def test_causal(pair, kind):
    both = pair(kind)
    with torch.no_grad():
        theirs = both.theirs(input_ids=IDS, attention_mask=KEEP, output_attentions=True)
    ours = both.ours(IDS, attention_mask=KEEP)
    agree(ours.logits, theirs.logits)
    agree_all(ours.attentions, theirs.attentions)
    options = dict(max_new_tokens=6, num_beams=2, do_sample=False, pad_token_id=0)
    with torch.no_grad():
        expected = both.theirs.generate(IDS[:1], **options)[0, 6:].tolist()
    found = both.ours.generate(IDS[:1], **options)[0][0].ids
    assert found + [0] * (len(expected) - len(found)) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"max_new_tokens": 12},
        {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 12, "length_penalty": 0.7},
        {"num_beams": 4, "max_new_tokens": 10, "no_repeat_ngram_size": 2, "early_stopping": True},
    ],
)
@pytest.mark.parametrize("kind", SEQ2SEQ + ("gpt2",))
def test_generate(pair, kind, options):
    both = pair(kind)
    sources = [[5, 17, 3, 44, 9, 0], [7, 7, 61, 0]] if kind in SEQ2SEQ else [[5, 17, 3], [7, 7, 61]]
    found = both.ours.generate(sources, keep="weights", **options)
    plain = both.ours.generate(sources, **options)
    start = 1 if kind in SEQ2SEQ else len(sources[0])
    for source, ours, same in zip(sources, found, plain):
        with torch.no_grad():
            theirs = both.theirs.generate(torch.tensor([source]), do_sample=False, **options)
        assert len(ours) == len(theirs) == options.get("num_return_sequences", 1)
        for one, other, without in zip(ours, theirs, same):
            assert one.ids == without.ids and one.score == without.score and without.self_attn is None
            expected = other[start:].tolist()
            assert one.ids + [both.theirs.config.pad_token_id] * (len(expected) - len(one.ids)) == expected
            scored = both.ours.score([source], [one.ids])[0]
            assert scored.log_probs == one.log_probs
            for mine, theirs_again in zip(one.self_attn, scored.self_attn):
                np.testing.assert_array_equal(mine, theirs_again)
            if kind in SEQ2SEQ:
                assert one.cross_attn[0].shape == (4, len(one.ids), len(source))
                assert one.encoder_self_attn[1].shape == (4, len(source), len(source))
                np.testing.assert_array_equal(one.cross_attn[2], scored.cross_attn[2])


@pytest.mark.parametrize("kind", SEQ2SEQ + ("gpt2",))
def test_score(pair, kind):
    both = pair(kind)
    source, target = [5, 17, 3, 44, 9, 0], [4, 31, 8, 0]
    with torch.no_grad():
        if kind in SEQ2SEQ:
            labels = torch.tensor([[both.theirs.config.decoder_start_token_id] + target[:-1]])
            logits = both.theirs(torch.tensor([source]), decoder_input_ids=labels).logits[0]
        else:
            logits = both.theirs(torch.tensor([source + target[:-1]])).logits[0, len(source) - 1 :]
    expected = logits.log_softmax(-1)[range(4), target]
    ours = both.ours.score([source, [7, 0]], [target, [3]])
    agree(np.array(ours[0].log_probs), expected)
    assert ours[0].score == pytest.approx(float(expected.sum()), rel=1e-5)
    assert ours[0].ids == target and len(ours[1].log_probs) == 1
    assert ours[0].output.shape[-1] == both.ours.vocab_size
    statistics = both.ours.score([source], [target], keep="statistics")[0].self_attn[0]
    assert statistics.entropy.shape[0] == 4
    with pytest.raises(vitrine.Error, match="one target for each source"):
        both.ours.score([source], [target, target])


@pytest.mark.parametrize("kind", SEQ2SEQ + ("gpt2",))
def test_steps_are_what_generate_does(pair, kind):
    ours = pair(kind).ours
    source = [5, 17, 3, 44, 9, 0]
    best = ours.generate([source], max_new_tokens=8, keep="weights", forced_eos_token_id=None)[0][0]
    past = source if kind in SEQ2SEQ else source[:-1]
    steps, last = ours.encode([past]), source[-1]
    if kind in SEQ2SEQ:
        last = pair(kind).theirs.config.decoder_start_token_id
    for t, expected in enumerate(best.ids[:-1]):
        step = ours.step(steps, [last])
        last = int(step.logits[0, 0].argmax())
        assert last == expected
        if kind in SEQ2SEQ:
            np.testing.assert_array_equal(step.cross_attn[1][0, :, 0], best.cross_attn[1][:, t])
    steps.reorder([0])
    assert steps.rows == 1
    with pytest.raises(vitrine.Error, match="one id for each hypothesis"):
        steps.step([1, 2])


def test_steps_over_sources_of_different_lengths(pair):
    ours = pair("marian").ours
    steps = ours.encode([[5, 17, 0], [3, 0]], beams=2, max_length=5)
    step = steps.step([89] * 4)
    assert step.logits.shape == (4, 1, 90)
    assert [[one.shape for one in layer] for layer in step.cross_attn] == [[(4, 1, 3)] * 2 + [(4, 1, 2)] * 2] * 3
    steps.reorder([2, 2])
    logits = steps.step([4, 4]).logits
    np.testing.assert_array_equal(logits[0], logits[1])


@pytest.mark.parametrize("kind", ("Llama", "Mistral", "GPTNeoX", "gpt2"))
def test_padded_prompts(pair, kind, tmp_path):
    """Pads at the left of an array are left out where they are no end, or by a mask, as in Transformers."""
    both, prompts = pair(kind), [[7, 5, 6], [9, 8, 7, 10, 3]]
    options = dict(max_new_tokens=5, pad_token_id=2)
    padded = np.array([[2, 2, 7, 5, 6], [9, 8, 7, 10, 3]])
    mask = (padded != 2).astype(int)
    wanted = [one[0].ids for one in both.ours.generate(prompts, **options)]
    for more in ({}, {"attention_mask": mask}, {"attention_mask": torch.tensor(mask), "use_cache": True}):
        assert [one[0].ids for one in both.ours.generate(torch.tensor(padded), **options, **more)] == wanted
        more = {name: torch.as_tensor(value) for name, value in more.items() if name == "attention_mask"}
        with torch.no_grad():
            theirs = both.theirs.generate(torch.tensor(padded), do_sample=False, **options, **more)
        for one, other in zip(wanted, theirs[:, 5:].tolist()):
            assert one + [2] * (5 - len(one)) == other
    all_ones = both.ours.generate(padded, attention_mask=np.ones_like(padded), **options)
    assert [one[0].ids for one in all_ones] != wanted
    is_end = both.ours.generate(padded, max_new_tokens=5, pad_token_id=2, eos_token_id=[0, 2])
    with torch.no_grad():
        theirs = both.theirs.generate(torch.tensor(padded), max_new_tokens=5, pad_token_id=2, eos_token_id=[0, 2])
    assert is_end[0][0].ids == theirs[0, 5 : 5 + len(is_end[0][0].ids)].tolist()
    assert both.ours.generate(input_ids=prompts, **options)[1][0].ids == wanted[1]
    shutil.copytree(both.folder, tmp_path / "folder")
    for name, pad in (("config.json", 2), ("generation_config.json", None)):  # the search's options decide
        values = json.loads((tmp_path / "folder" / name).read_text())
        (tmp_path / "folder" / name).write_text(json.dumps({**values, "pad_token_id": pad}))
    theirs = type(both.theirs).from_pretrained(tmp_path / "folder").eval()
    with torch.no_grad():
        found = theirs.generate(torch.tensor(padded), max_new_tokens=5, do_sample=False)[0, 5:].tolist()
    ours = vitrine.load(tmp_path / "folder").generate(padded, max_new_tokens=5)[0][0].ids
    assert ours == found[: len(ours)]
    with pytest.raises(vitrine.Error, match="padded at the right"):
        both.ours.generate(padded[:, ::-1], **options)
    with pytest.raises(vitrine.Error, match="left of a prompt"):
        both.ours.generate(padded, attention_mask=mask[:, ::-1], **options)
    with pytest.raises(vitrine.Error, match="as the ids are"):
        both.ours.generate(padded, attention_mask=mask[:, 1:], **options)


def test_padded_sources(pair):
    """Of a model with an encoder Transformers leaves out what a mask says, and nothing without one."""
    both = pair("marian")
    padded, mask = np.array([[7, 5, 0, 89, 89], [9, 8, 7, 10, 0]]), np.array([[1, 1, 1, 0, 0], [1] * 5])
    for more in ({}, {"attention_mask": mask}):
        ours = both.ours.generate(padded, max_new_tokens=6, **more)
        more = {name: torch.tensor(value) for name, value in more.items()}
        with torch.no_grad():
            theirs = both.theirs.generate(torch.tensor(padded), max_new_tokens=6, **more)[:, 1:].tolist()
        for one, other in zip(ours, theirs):
            assert one[0].ids == other[: len(one[0].ids)]
    with pytest.raises(vitrine.Error, match="right of a source"):
        both.ours.generate(padded, attention_mask=mask[:, ::-1])


@pytest.mark.parametrize("kind", ("gpt2", "Llama", "marian", "t5"))
def test_types_of_tokens_are_for_encoders(pair, kind):
    with pytest.raises(vitrine.Error, match="token_type_ids"):
        pair(kind).ours([[5, 6]], None if kind in ("gpt2", "Llama") else [[89]], token_type_ids=[[0, 1]])
    bert = pair("bert").ours
    for wrong in ([[0], [1]], [0, 1, 1], [[0, 9]]):
        with pytest.raises(vitrine.Error):
            bert([[5, 6]], token_type_ids=wrong)
    np.testing.assert_array_equal(
        bert([5, 6], token_type_ids=[0, 1]).output, bert([[5, 6]], token_type_ids=[[0, 1]]).output
    )


def test_names_of_hypotheses(pair, tmp_path):
    both = pair("marian")
    best = both.ours.generate([[5, 17, 3, 0]], max_new_tokens=4, keep="weights")[0][0]
    assert len(best.cross_attentions) == 3
    np.testing.assert_array_equal(best.cross_attentions[2], best.cross_attn[2])
    np.testing.assert_array_equal(best.decoder_attentions[1], best.self_attn[1])
    np.testing.assert_array_equal(best.encoder.self_attn[0], best.encoder_attentions[0])
    with pytest.raises(vitrine.Error, match="the same layers"):  # the encoder has two, the decoder three
        best.to_bertviz()
    best.to_npz(tmp_path / "best.npz")
    with np.load(tmp_path / "best.npz") as file:
        np.testing.assert_array_equal(file["cross_attn/2"], best.cross_attn[2])
        np.testing.assert_array_equal(file["encoder/self_attn/1"], best.encoder_self_attn[1])
        assert file["ids"].tolist() == best.ids
    with pytest.raises(AttributeError, match="decoder_attentions"):
        best.attentions
    one = pair("gpt2").ours.generate([[5, 17, 3]], max_new_tokens=4, keep="weights")[0][0]
    assert len(one.attentions) == 3 and one.encoder is None
    assert len(json.loads(one.to_bertviz("model"))["attention"][0]["attn"]) == 3


def test_what_generate_refuses(pair):
    ours = pair("marian").ours
    for options, words in (
        ({"do_sample": True, "num_beams": 2}, "beams are not sampled"),
        ({"do_sample": True, "temperature": 0.0}, "temperature"),
        ({"penalty_alpha": 0.6}, "penalty_alpha"),
        ({"num_beams": 0}, "num_beams"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences"),
        ({"no_such_option": 1}, "no_such_option"),
        ({"output_scores": True}, "output_scores"),
        ({"logits_processor": [print]}, "logits_processor"),
        ({"input_ids": [[1]]}, "inputs, or input_ids"),
        ({"max_new_tokens": 10**6}, "max_length is more than the model has positions"),
        ({"keep": "rollout"}, "a search keeps"),
        ({"bad_words_ids": [[object()]]}, "no number"),
    ):
        with pytest.raises(vitrine.Error, match=words):
            ours.generate([[1, 2, 0]], **options)
    for sources in ([[]], [[1000]], [[-1]], [[1.5]], object(), [["a"]], None):
        with pytest.raises(vitrine.Error):
            ours.generate(sources)
    assert ours.generate([]) == []
    nothing = dict(generation_config=None, stopping_criteria=[], use_cache=True, return_dict_in_generate=True)
    assert ours.generate([[5, 0]], **nothing)[0][0].ids == ours.generate([[5, 0]])[0][0].ids


def test_what_load_refuses(pair, tmp_path):
    with pytest.raises(vitrine.Error, match="config.json"):
        vitrine.load(tmp_path)
    for path in (None, 5, "a\0b", "\ud800"):
        with pytest.raises(vitrine.Error):
            vitrine.load(path)
    folder = tmp_path / "folder"
    shutil.copytree(pair("bert").folder, folder)
    config = json.loads((folder / "config.json").read_text())
    for change, words in (
        ({"model_type": "clip", "architectures": None}, "none of marian"),
        ({"hidden_size": 50}, "hidden_size"),
        ({"is_decoder": True}, "is_decoder"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(vitrine.Error, match=words):
            vitrine.load(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(vitrine.Error, match="model.safetensors"):
        vitrine.load(folder)
    assert "marian" in vitrine.model_types()
