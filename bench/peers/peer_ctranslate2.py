"""Times CTranslate2 in f32 or int8 on a random Transformer of Marian's kind, exactly `--steps` steps; see --help."""

import os

import common

arguments = common.parse_arguments(__doc__, ["decode"], ["f32", "int8"])
try:
    import ctranslate2
    import numpy
    from ctranslate2.specs import common_spec, transformer_spec
except ImportError as missing:
    common.not_installed("ctranslate2", missing)

COMPUTE_TYPE = {"f32": "float32", "int8": "int8_float32"}[arguments.weights]
TOKENS = ["</s>", "<unk>"] + [f"t{i}" for i in range(2, arguments.vocab - 1)] + ["<pad>"]


def sinusoids(positions, width):
    """Marian's positions: sines in the first half of a row, cosines in the second."""
    angles = numpy.arange(positions)[:, None] / 10000 ** (2 * (numpy.arange(width) // 2)[None, :] / width)
    return numpy.concatenate([numpy.sin(angles[:, 0::2]), numpy.cos(angles[:, 1::2])], 1).astype(numpy.float32)


def write_model(folder):
    """Writes the weights of common.marian_weights in CTranslate2's format."""
    weights = common.marian_weights(arguments)
    spec = transformer_spec.TransformerSpec.from_config(
        (arguments.num_encoder_layers, arguments.num_decoder_layers),
        arguments.nhead,
        pre_norm=False,
        activation=common_spec.Activation.SWISH,
    )

    def linear(target, *names):
        target.weight = numpy.concatenate([weights[name + ".weight"] for name in names])
        target.bias = numpy.concatenate([weights[name + ".bias"] for name in names])

    def norm(target, name):
        target.gamma, target.beta = weights[name + ".weight"], weights[name + ".bias"]

    for side, part in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        embeddings = part.embeddings[0] if side == "encoder" else part.embeddings
        embeddings.weight = weights["model.shared.weight"]
        part.scale_embeddings = True
        part.position_encodings.encodings = sinusoids(512, arguments.d_model)
        for index, layer in enumerate(part.layer):
            prefix = f"model.{side}.layers.{index}."
            block = prefix + "self_attn."
            linear(layer.self_attention.linear[0], block + "q_proj", block + "k_proj", block + "v_proj")
            linear(layer.self_attention.linear[1], block + "out_proj")
            norm(layer.self_attention.layer_norm, prefix + "self_attn_layer_norm")
            if side == "decoder":
                block = prefix + "encoder_attn."
                linear(layer.attention.linear[0], block + "q_proj")
                linear(layer.attention.linear[1], block + "k_proj", block + "v_proj")
                linear(layer.attention.linear[2], block + "out_proj")
                norm(layer.attention.layer_norm, prefix + "encoder_attn_layer_norm")
            linear(layer.ffn.linear_0, prefix + "fc1")
            linear(layer.ffn.linear_1, prefix + "fc2")
            norm(layer.ffn.layer_norm, prefix + "final_layer_norm")
    spec.decoder.start_from_zero_embedding = True
    spec.decoder.projection.weight = weights["model.shared.weight"]
    spec.decoder.projection.bias = weights["final_logits_bias"][0]
    spec.register_source_vocabulary(TOKENS)
    spec.register_target_vocabulary(TOKENS)
    spec.config.eos_token, spec.config.unk_token, spec.config.decoder_start_token = "</s>", "<unk>", "</s>"
    spec.validate()
    spec.optimize(quantization="float32")
    os.makedirs(folder)
    spec.save(folder)


def prepare(name, keeps_maps, data):
    names = ("seed", "d_model", "nhead", "dim_feedforward", "num_encoder_layers", "num_decoder_layers", "vocab")
    folder = os.path.join(arguments.cache, "ctranslate2_" + "_".join(str(getattr(arguments, n)) for n in names))
    if not os.path.isdir(folder):
        write_model(folder)
    translator = ctranslate2.Translator(
        folder, device="cpu", compute_type=COMPUTE_TYPE, intra_threads=arguments.threads, inter_threads=1
    )
    if translator.compute_type != COMPUTE_TYPE:
        raise RuntimeError(f"CTranslate2 computes in {translator.compute_type}")
    source, target = [[[TOKENS[i] for i in row] for row in ids] for ids in common.marian_tokens(arguments)]

    def call():
        return translator.translate_batch(
            source,
            beam_size=arguments.beams,
            min_decoding_length=arguments.steps,
            max_decoding_length=arguments.steps,
            return_attention=keeps_maps,
        )

    def check():
        for result in call():
            if len(result.hypotheses[0]) != arguments.steps:
                raise RuntimeError(f"{len(result.hypotheses[0])} steps instead of {arguments.steps}")
            if keeps_maps and numpy.shape(result.attention[0]) != (arguments.steps, arguments.source_length):
                raise RuntimeError(f"a map of shape {numpy.shape(result.attention[0])}")
        expected = common.reference(arguments, "peer_transformers.py")
        if expected is None:
            return None
        scores = [result.log_probs for result in translator.score_batch(source, target)]
        return float(numpy.abs(numpy.array(scores) - expected["output"]).max())

    return call, check


variants = {"no_attention": (False, None), "return_attention": (True, None)}
settings = {"compute_type": COMPUTE_TYPE, "inter_threads": 1, "return_attention": "last layer, first head"}
settings.update((name, value) for name, value in os.environ.items() if name.startswith("CT2_"))
with common.cache_folder(arguments):
    common.run_variants(arguments, "ctranslate2", ctranslate2.__version__, settings, variants, prepare)
