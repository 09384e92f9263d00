"""The interpreter: its lock, threads, Ctrl-C, and a fuzz that nothing may crash."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import vitrine


def test_the_lock_is_released():
    encoder = vitrine.Encoder(d_model=256, nhead=4, num_layers=4).init(1)
    x = np.random.default_rng(1).normal(size=(4, 256, 256)).astype(np.float32)
    encoder(x)
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    for _ in range(5):
        encoder(x, threads=1)
    during = counted[0] - before
    stop.set()
    thread.join()
    assert during > 100  # with the lock held it would be a handful


def test_two_threads_share_one_model(pair):
    ours = pair("marian").ours
    sources = [[i % 80, (7 * i) % 80, 3, 0] for i in range(12)]
    expected = [h[0].ids for h in ours.generate(sources, num_beams=2, max_new_tokens=12)]
    maps = [ours([s], [[89, 4]]).cross_attn[1].copy() for s in sources]
    failures = []

    def work():
        try:
            for _ in range(5):
                for source, ids, weights in zip(sources, expected, maps):
                    found = ours.generate([source], num_beams=2, max_new_tokens=12, keep="weights")[0][0]
                    assert found.ids == ids
                    np.testing.assert_array_equal(ours([source], [[89, 4]]).cross_attn[1], weights)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# Searches for as long as it takes to be stopped, time after time, and says how much memory it has then, trimmed.
SEARCH = """
import gc, os, sys, vitrine
model = vitrine.load(sys.argv[1])
while True:
    print("searching", flush=True)
    try:
        model.generate([[1, 2, 3]], num_beams=8, max_new_tokens=1000, min_new_tokens=1000, keep="weights")
    except KeyboardInterrupt:
        gc.collect()
        vitrine.trim_heap()
        with open("/proc/self/statm", encoding="ascii") as file:
            print(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"), flush=True)
    if sys.stdin.readline() != "again\\n":
        break
print(len(model.generate([[1, 2, 3]], max_new_tokens=5, min_new_tokens=5)[0][0].ids), flush=True)
print("searching", flush=True)
model.generate([[1, 2, 3]], num_beams=8, max_new_tokens=1000, min_new_tokens=1000, keep="weights")
"""


def test_ctrl_c_ends_a_long_generate(tmp_path):
    import torch
    import transformers as tf

    torch.manual_seed(1)
    config = tf.GPT2Config(n_embd=256, n_layer=8, n_head=4, vocab_size=5000, n_positions=1024)
    config.bos_token_id = config.eos_token_id = 0
    tf.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    command = [sys.executable, "-c", SEARCH, str(tmp_path)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as child:
        took, memory = [], []
        for i in range(8):
            assert child.stdout.readline() == "searching\n", child.stderr.read()
            time.sleep(0.3)
            start = time.monotonic()
            child.send_signal(signal.SIGINT)
            memory.append(int(child.stdout.readline()))
            took.append(time.monotonic() - start)
            child.stdin.write("again\n" if i < 7 else "enough\n")
            child.stdin.flush()
        assert child.stdout.readline() == "5\n"
        assert child.stdout.readline() == "searching\n"
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in said and child.returncode in (-signal.SIGINT, 130, 1), said
    assert sorted(took)[4] < 1.0  # a step takes some milliseconds; the whole search takes minutes
    assert memory[7] - memory[2] < 16e6, memory  # what a search holds is given back


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nothing waits")
def test_trim_heap_gives_memory_back():
    def resident():
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    encoder = vitrine.Encoder(d_model=8, nhead=2, num_layers=2, dim_feedforward=8).init(1)
    result = encoder(np.ones((1, 2000, 8), np.float32))  # maps of 64 MB
    del result
    gc.collect()
    before = resident()
    vitrine.trim_heap()
    assert before - resident() > 40e6


def test_no_memory_is_memory_error():
    code = """
import resource, numpy as np, vitrine
encoder = vitrine.Encoder(d_model=8, nhead=2, num_layers=2, dim_feedforward=8).init(1)
x = np.ones((1, 30, 8), np.float32)
expected = encoder(x).output.copy()
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
for shape in ((1, 40000, 8), (2**40, 3, 8)):  # maps of 25 GB; an output that no memory has
    try:
        encoder(np.broadcast_to(np.ones(shape[1:], np.float32), shape))
        raise SystemExit("no error")
    except MemoryError:
        pass
assert (encoder(x).output == expected).all()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_fork():
    code = """
import os, numpy as np, vitrine
encoder = vitrine.Encoder(d_model=128, nhead=4, num_layers=2).init(1)
x = np.ones((4, 128, 128), np.float32)
expected = encoder(x).output
pid = os.fork()
if pid == 0:
    os._exit(0 if (encoder(x).output == expected).all() else 3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- fuzz


class Fuzz:
    def __init__(self, seed, model):
        self.random = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.model = model
        width = dict(d_model=8, nhead=2, dim_feedforward=8)
        self.layers = [
            vitrine.MultiheadAttention(8, 2).init(1),
            vitrine.EncoderLayer(**width).init(2),
            vitrine.DecoderLayer(**width, batch_first=False).init(3),
            vitrine.Encoder(**width, num_layers=2, dtype=np.float64).init(4),
            vitrine.Decoder(**width, num_layers=2).init(5),
            vitrine.Transformer(**width, num_encoder_layers=1, num_decoder_layers=2).init(6),
        ]

    def pick(self, *choices, odd=()):
        """One of the choices; now and then an odd one, seldom enough for a call that has several choices to be made."""
        return self.random.choice(odd if odd and self.random.random() < 0.06 else choices)

    def number(self):
        return self.pick(0, 1, 2, 3, 5, 8, -1, 63, 64, 65, 2**31, 2**40, 2**63, -(2**70), 1.5, float("nan"), None, "x", True)

    def array(self):
        """An array of any type, shape, layout, byte order and contents; mostly small, sometimes one that fits."""
        r = self.random
        if r.random() < 0.5:
            shape = self.pick((2, 3, 8), (3, 8), (2, 4, 8), (3, 3), (2, 3), (2, 2, 3, 3), (4, 3, 3), (2,), (3,))
        else:
            shape = tuple(r.randrange(0, 9) for _ in range(r.randrange(0, 6)))
        dtype = self.pick("f4", "f4", "f4", "f8", ">f4", "<f2", "i8", "i4", "u1", "?", "c8", "S3", "O", "u8", ">i8")
        with np.errstate(all="ignore"):
            values = np.asarray(self.rng.normal(size=shape) * self.pick(1, 10, 1e30))
            if r.random() < 0.2 and values.size:
                values.reshape(-1)[:: self.pick(1, 2, 3)] = self.pick(np.nan, np.inf, -np.inf, 1e308, 5e-324)
            try:
                array: np.ndarray = np.asarray(np.nan_to_num(values)).astype(dtype) if dtype.strip("<>")[0] in "iu?" else values.astype(dtype)
            except (ValueError, TypeError, OverflowError):
                array = np.zeros(shape, "f4")
        return self.laid_out(array)

    def fitting(self, *shape):
        """Floating numbers that a call takes, in any layout."""
        values = self.rng.normal(size=shape).astype(self.pick("f4", "f4", "f8", ">f4", "<f2"))
        if self.random.random() < 0.05:
            values.reshape(-1)[:: self.pick(1, 2, 3)] = self.pick(np.nan, np.inf, -np.inf)
        turned = self.laid_out(values)
        return turned if turned.shape == shape else values

    def laid_out(self, array):
        kind = self.random.random()
        if kind < 0.02 and array.ndim and array.size:
            array = np.broadcast_to(array[:1], (2**44,) + array.shape[1:])  # larger than any memory
        elif kind < 0.1 and array.ndim:
            array = array[::-1]
        elif kind < 0.2 and array.ndim > 1:
            array = array.swapaxes(0, -1)
        elif kind < 0.3:
            array = np.lib.stride_tricks.as_strided(array, array.shape, [0] * array.ndim)
        elif kind < 0.35:
            array = np.asfortranarray(array)
        elif kind < 0.4:
            array.setflags(write=False)
        return array

    def mask(self):
        makers = (
            lambda: vitrine.causal(self.number()),
            lambda: vitrine.window(self.number(), self.number(), self.number()),
            lambda: vitrine.key_lengths(self.pick(self.array(), [3, 2], [1], [99, -1])),
            lambda: vitrine.from_torch_attn_mask(self.array()),
            lambda: vitrine.from_torch_sdpa_mask(self.array()),
            lambda: vitrine.from_torch_key_padding_mask(self.array()),
            lambda: vitrine.from_hf_attention_mask(self.array()),
            lambda: vitrine.additive_bias(self.array()),
            self.array,
            lambda: None,
        )
        good = (
            vitrine.causal,
            lambda: vitrine.causal() & vitrine.key_lengths([3, 2]),
            lambda: vitrine.window(self.pick(None, 0, 1), self.pick(None, 0, 2)),
            lambda: vitrine.from_torch_attn_mask(self.rng.random(self.pick((3, 3), (4, 3, 3))) < 0.4),
            lambda: vitrine.from_torch_key_padding_mask(self.rng.random((2, 3)) < 0.4),
            lambda: vitrine.additive_bias(self.fitting(3, 3)),
            lambda: self.fitting(3, 3),
        )
        return self.pick(*good, odd=makers)()

    def ragged(self):
        rows = [np.ones((self.random.randrange(0, 5), 8), self.pick("f4", "f4", "f8")) for _ in range(self.pick(1, 2, 2, 3))]
        return rows + [self.array()] if self.random.random() < 0.1 else rows

    def value(self):
        makers = (self.array, self.array, self.array, self.number, self.ragged, lambda: [[1, 2], [3]], lambda: "text", dict)
        return self.pick(*makers)()

    def ids(self):
        r = self.random
        ids = [[r.randrange(-1, 91) for _ in range(r.randrange(0, 70))] for _ in range(r.randrange(0, 4))]
        good = ([[1, 2, 0], [3, 0]], [5, 6, 0], np.array([[1, 2]]), [[r.randrange(90) for _ in range(5)] for _ in range(2)])
        return self.pick(*good, odd=(ids, self.array(), self.value()))

    def selection(self):
        options = {}
        if self.random.random() < 0.7:
            keeps = ("weights", "scores", "head_mean", "statistics", "top8", "rollout", None)
            options["keep"] = self.pick(*keeps, odd=("all", 3, []))
        if self.random.random() < 0.2:
            options["keep"] = self.pick("weights", "weights", "weights", odd=("scores", None))
            options["map_storage"] = self.pick("f32", "f16", "bf16", "u8", odd=("int8", self.value()))
        if self.random.random() < 0.3:
            options["layers"] = self.pick([0], [0], [], odd=([1], [7], [-1], self.value(), [10**30], ["a"]))
        if self.random.random() < 0.3:
            options["heads"] = self.pick([0], [1], 1, range(2), odd=([64], [], self.value()))
        if self.random.random() < 0.2:
            options["which"] = self.pick("self", "cross", ["self", "encoder"], odd=("other", 4, self.value()))
        if self.random.random() < 0.2:
            options["threads"] = self.pick(0, 1, 2, odd=(-1, 1.5, 10**9, "2"))
        return options

    def layer(self):
        layer = self.pick(*self.layers)
        options = self.selection()
        names = ("attn_mask", "key_padding_mask", "src_mask", "src_key_padding_mask", "tgt_mask", "memory_mask", "is_causal",
                 "tgt_is_causal", "memory_key_padding_mask", "head_scale", "memory_head_scale")  # fmt: skip
        known = [name for name in names if name in type(layer).__call__.__kwdefaults__]
        for name in self.random.sample(known, self.random.randrange(0, 3)):
            if "padding" in name:
                made = self.pick(self.rng.random((2, 3)) < 0.4, odd=(self.array(), self.mask()))
            elif "scale" in name:
                made = self.pick(np.ones(2), [0.5, 0], odd=(self.array(),))
            else:
                made = self.pick(True, False) if "is_causal" in name else self.mask()
            options[name] = made
        count = {0: self.pick(1, 3), 1: 1, 3: 1}.get(self.layers.index(layer), 2)
        shape = (2, 3, 8) if layer.batch_first else (3, 2, 8)
        if self.random.random() < 0.2:
            return layer(*[self.ragged() for _ in range(count)], **options)
        return layer(*[self.pick(self.fitting(*shape), odd=(self.value(),)) for _ in range(count)], **options)

    def attention(self):
        operands = [self.pick(self.fitting(2, 2, 3, 4), odd=(self.array(),)) for _ in range(3)]
        options = {key: value for key, value in self.selection().items() if key in ("keep", "heads", "map_storage", "threads")}
        if self.random.random() < 0.3:
            past = self.fitting(2, 2, 2, 4)
            options.update(past_key=self.pick(past, odd=(self.array(),)), past_value=self.pick(past, odd=(None,)))
        scale = self.pick(None, None, 0.5, odd=(self.number(),))
        mask = self.pick(None, vitrine.causal(), self.mask())
        return vitrine.scaled_dot_product_attention(*operands, attn_mask=mask, scale=scale, **options)

    def call_model(self):
        options = self.selection()
        if self.random.random() < 0.3:
            options["attention_mask"] = self.pick([[1, 1, 1], [1, 1, 0]], odd=(self.mask(), self.array()))
        if self.random.random() < 0.1:
            options["token_type_ids"] = self.ids()
        if self.model.kind == "seq2seq":
            options["decoder_input_ids"] = self.pick([[89, 3], [89, 4]], [[89, 3]], odd=(self.ids(), None))
        return self.model(self.ids(), **options)

    def generate(self):
        options = self.selection()
        names = ("num_beams", "num_return_sequences", "max_new_tokens", "max_length", "length_penalty", "eos_token_id",
                 "no_repeat_ngram_size", "bad_words_ids", "early_stopping", "do_sample", "other", "min_length")  # fmt: skip
        for name in self.random.sample(names, 3):
            good = {"bad_words_ids": [[1]], "early_stopping": True, "length_penalty": 0.5, "do_sample": False}
            options[name] = self.pick(good.get(name, 2), odd=(self.number(), 3, [[1]], self.value()))
        if "other" in options and self.random.random() < 0.9:
            del options["other"]
        if options.get("keep") in ("statistics", "top8", "rollout") and self.random.random() < 0.9:
            del options["keep"]
            options.pop("map_storage", None)
        if not isinstance(options.get("num_beams"), int) or options["num_beams"] > 5:
            options.pop("num_beams", None)
        options.setdefault("max_new_tokens", 4)
        return self.model.generate(self.ids(), **options)

    def score(self):
        return self.model.score(self.ids(), self.pick([[4, 0]], [[4, 0], [3]], odd=(self.ids(),)), **self.selection())

    def steps(self):
        numbers = [self.pick(*good, odd=(self.number(),)) for good in ((1, 2), (0, 5))]
        steps = self.model.encode(self.ids(), beams=numbers[0], max_length=numbers[1])
        for _ in range(3):
            ids = self.pick([5] * max(steps.rows, 0), odd=(self.value(), self.ids()))
            touch(steps.step(ids, **self.pick({}, {"keep": "scores"}, odd=({"keep": "top8"},))))
            steps.reorder(self.pick([0], [0] * max(steps.rows, 0), odd=(self.value(),)))
        return None

    def make(self):
        options = dict(d_model=8, nhead=2, dim_feedforward=8, num_layers=2)
        for name in self.random.sample(sorted(options), 2):
            options[name] = self.number()
        made = vitrine.Encoder(**options, activation=self.pick("relu", "gelu", "x", 3)).init(self.pick(1, self.number()))
        return made.store_weights(self.pick("f32", "int8", "bf16", odd=("u8", self.value())))

    def load(self):
        return self.pick(*self.layers[1:3]).load_state_dict({self.pick("a", "norm1.weight", 3): self.value()})

    def one(self):
        kinds = [self.layer] * 8 + [self.attention] * 3 + [self.call_model] * 3 + [self.generate, self.score] * 2
        return self.pick(*kinds, self.steps, self.make, self.load)()


def touch(result):
    """Every value of a result is read."""
    if isinstance(result, vitrine.Result):
        for array in (result.output, result.self_attn, result.cross_attn, result.self_attn_scores):
            touch(array)
    elif isinstance(result, vitrine.Hypothesis):
        touch((result.self_attn, result.cross_attn, result.encoder_self_attn, result.output))
    elif isinstance(result, (list, tuple)):
        for one in result:
            touch(one)
    elif isinstance(result, np.ndarray):
        float(np.nansum(result))


@pytest.mark.parametrize("part", range(4))
def test_fuzz(pair, part):
    fuzz = Fuzz(part, pair(("marian", "gpt2", "t5", "bert")[part]).ours)
    results = errors = 0
    for i in range(2500):
        try:
            with np.errstate(all="ignore"):
                touch(fuzz.one())
            results += 1
        except vitrine.Error:
            errors += 1
        except MemoryError:
            errors += 1
    assert results > 800 and errors > 400
    print(f"{results} results, {errors} errors")


def test_nothing_is_said_at_the_end():
    code = "import vitrine; vitrine.Encoder(8, 2, 1).init(1)([[0.0] * 8]).self_attn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
