"""The works that run.py times, and who times which with weights stored as what."""

PEERS = {
    "torch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "ctranslate2": "CTranslate2",
    "transformers": "Transformers",
    "llama_cpp": "llama.cpp",
}
GROUPS = ("encoder", "attention", "decode", "decode_batch", "causal", "small")
WEIGHTS = ("f32", "bf16", "int8")
# By work and by what the weights are stored as; a work that is not there is one that our program does not time either.
PEERS_OF = {
    ("encoder", "f32"): ("torch", "onnxruntime", "openvino"),
    ("encoder", "bf16"): ("openvino",),
    ("encoder", "int8"): ("onnxruntime",),
    ("attention", "f32"): ("torch", "onnxruntime", "openvino"),
    ("decode", "f32"): ("ctranslate2", "transformers"),
    ("decode", "bf16"): (),
    ("decode", "int8"): ("ctranslate2",),
    ("causal", "f32"): ("transformers", "llama_cpp"),
    ("causal", "bf16"): ("llama_cpp",),
    ("causal", "int8"): ("llama_cpp",),
}
# The works whose programs of ours take --weights.
STORED = ("encoder", "decode", "causal")
PROGRAM_OF = {"encoder": "encoder_forward", "attention": "attention", "decode": "decode", "causal": "causal"}


def encoder(d_model, nhead, dim_feedforward, num_layers, batch, length, group="encoder", repetitions=5):
    label = f"encoder d{d_model} h{nhead} ff{dim_feedforward} L{num_layers} B{batch} T{length}"
    shape = dict(
        d_model=d_model, nhead=nhead, dim_feedforward=dim_feedforward, num_layers=num_layers, batch=batch, length=length
    )
    return dict(label=label, group=group, work="encoder", shape=shape, ours=shape, repetitions=repetitions)


def attention(nhead, width, length, causal, repetitions=9):
    label = f"attention alone h{nhead} d{width} T{length}" + ", causal" * causal
    shape = dict(d_model=nhead * width, nhead=nhead, batch=1, length=length, causal=causal)
    ours = dict(batch=1, heads=nhead, kv_heads=nhead, length=length, memory_length=length, width=width, causal=causal)
    return dict(label=label, group="attention", work="attention", shape=shape, ours=ours, repetitions=repetitions)


def decode(d_model, nhead, dim_feedforward, layers, vocab, batch, source_length, steps, beams, repetitions=5):
    label = f"decode d{d_model} h{nhead} ff{dim_feedforward} {layers}+{layers} V{vocab} B{batch} S{source_length}, "
    label += f"{steps} steps, " + ("greedy" if beams == 1 else f"{beams} beams")
    shape = dict(
        d_model=d_model,
        nhead=nhead,
        dim_feedforward=dim_feedforward,
        num_encoder_layers=layers,
        num_decoder_layers=layers,
        vocab=vocab,
        batch=batch,
        source_length=source_length,
        steps=steps,
        beams=beams,
    )
    work = dict(label=label, group="decode", work="decode", shape=shape, ours=shape, repetitions=repetitions)
    if batch > 1:  # Transformers would be most of the time that a table takes.
        work.update(group="decode_batch", peers=("ctranslate2",))
    return work


def causal(d_model, nhead, kv_heads, dim_feedforward, num_layers, vocab, prompt, steps, repetitions=5):
    label = f"Llama d{d_model} h{nhead} kv{kv_heads} ff{dim_feedforward} L{num_layers} V{vocab} B1, prompt {prompt}, "
    label += f"{steps} steps"
    shape = dict(
        d_model=d_model,
        nhead=nhead,
        kv_heads=kv_heads,
        dim_feedforward=dim_feedforward,
        num_layers=num_layers,
        vocab=vocab,
        batch=1,
        prompt=prompt,
        steps=steps,
    )
    return dict(label=label, group="causal", work="causal", shape=shape, ours=shape, repetitions=repetitions)


WORKS = [
    encoder(512, 8, 2048, 6, 8, 128),
    encoder(384, 12, 1536, 6, 16, 128),
    encoder(2048, 8, 512, 12, 1, 128),
    encoder(512, 8, 2048, 6, 1, 512),
    encoder(512, 8, 2048, 2, 1, 2048),
    encoder(64, 4, 256, 2, 1, 32, group="small", repetitions=501),
    attention(8, 64, 2048, False),
    attention(8, 64, 2048, True),
    decode(512, 8, 2048, 6, 32000, 1, 32, 32, 1),
    decode(512, 8, 2048, 6, 32000, 1, 32, 32, 4),
    decode(512, 8, 2048, 6, 32000, 32, 32, 32, 1, repetitions=3),
    decode(512, 8, 2048, 6, 32000, 32, 32, 32, 4, repetitions=3),
    causal(576, 9, 3, 1536, 30, 49152, 512, 32),
]
# The same programs over shapes so small that only whether they work is seen.
TINY = [
    encoder(64, 4, 128, 2, 2, 24),
    encoder(32, 4, 64, 1, 1, 8, group="small", repetitions=21),
    attention(4, 16, 40, False),
    attention(4, 16, 40, True),
    decode(64, 4, 128, 2, 300, 1, 12, 8, 1),
    decode(64, 4, 128, 2, 300, 1, 12, 8, 4),
    decode(64, 4, 128, 2, 300, 3, 12, 8, 4),
    causal(64, 4, 2, 128, 2, 300, 12, 8),
]


def peers_of(work, weights):
    """The peers that time this work with weights stored so, or None if nobody does, we neither."""
    peers = PEERS_OF.get((work["work"], weights))
    return None if peers is None else [peer for peer in peers if peer in work.get("peers", peers)]
