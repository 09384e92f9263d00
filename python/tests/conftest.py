"""Small models of each family, made by Transformers itself with random values; nothing is downloaded."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

ENCODER = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=90)
CAUSAL = ("Llama", "Mistral", "Qwen2", "Qwen3", "Gemma2", "GPTNeoX")


def _made(kind):
    import torch
    import transformers as tf

    torch.manual_seed(5)
    seq2seq = dict(d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4)
    seq2seq.update(decoder_attention_heads=4, encoder_ffn_dim=96, decoder_ffn_dim=96, vocab_size=90)
    seq2seq.update(max_position_embeddings=64, pad_token_id=89, eos_token_id=0, init_std=0.2)
    if kind == "marian":
        config = tf.MarianConfig(**seq2seq, decoder_start_token_id=89, forced_eos_token_id=0, bos_token_id=1)
        return tf.MarianMTModel(config)
    if kind == "bart":
        config = tf.BartConfig(**seq2seq, decoder_start_token_id=2, bos_token_id=1, forced_eos_token_id=0)
        return tf.BartForConditionalGeneration(config)
    if kind == "bert":
        return tf.BertModel(tf.BertConfig(**ENCODER, max_position_embeddings=64, initializer_range=0.2))
    if kind == "distilbert":
        config = dict(dim=48, n_layers=3, n_heads=4, hidden_dim=96, vocab_size=90, max_position_embeddings=64)
        return tf.DistilBertModel(tf.DistilBertConfig(**config, initializer_range=0.2))
    if kind in ("roberta", "xlm-roberta"):
        name = {"roberta": "Roberta", "xlm-roberta": "XLMRoberta"}[kind]
        config = getattr(tf, name + "Config")(**ENCODER, max_position_embeddings=66, pad_token_id=1, type_vocab_size=1)
        config.initializer_range = 0.2
        return getattr(tf, name + "Model")(config)
    if kind == "vit":
        config = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96)
        return tf.ViTModel(tf.ViTConfig(**config, image_size=24, patch_size=8, initializer_range=0.2))
    if kind == "albert":
        config = tf.AlbertConfig(**ENCODER, embedding_size=24, max_position_embeddings=64, initializer_range=0.2)
        return tf.AlbertModel(config)
    if kind == "mbart":
        config = tf.MBartConfig(**seq2seq, decoder_start_token_id=2, bos_token_id=1, forced_eos_token_id=0)
        return tf.MBartForConditionalGeneration(config)
    if kind == "m2m_100":
        config = tf.M2M100Config(**{**seq2seq, "pad_token_id": 1}, decoder_start_token_id=2, bos_token_id=3)
        return tf.M2M100ForConditionalGeneration(config)
    if kind in ("t5", "mt5"):
        config = dict(d_model=48, d_kv=12, num_heads=4, num_layers=3, num_decoder_layers=3, d_ff=96, vocab_size=90)
        config.update(pad_token_id=89, eos_token_id=0, decoder_start_token_id=89, initializer_factor=1.0)
        if kind == "mt5":
            return tf.MT5ForConditionalGeneration(tf.MT5Config(**config, tie_word_embeddings=False))
        return tf.T5ForConditionalGeneration(tf.T5Config(**config))
    if kind in CAUSAL:
        more = dict(num_key_value_heads=2, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0, pad_token_id=None)
        if kind == "GPTNeoX":
            more.pop("num_key_value_heads")
            more["rotary_pct"] = 0.5
        if kind in ("Gemma2", "Qwen3"):
            more["head_dim"] = 12
        config = getattr(tf, kind + "Config")(**ENCODER, **more, max_position_embeddings=64, initializer_range=0.2)
        return getattr(tf, kind + "ForCausalLM")(config)
    config = tf.GPT2Config(n_embd=48, n_layer=3, n_head=4, vocab_size=90, n_positions=64, initializer_range=0.2)
    config.bos_token_id = config.eos_token_id = 0
    return tf.GPT2LMHeadModel(config)


class Pair:
    """A family's model in both libraries, and its folder."""

    def __init__(self, kind, folder):
        import vitrine

        self.kind = kind
        theirs = _made(kind).eval()
        theirs.save_pretrained(folder)
        self.theirs = type(theirs).from_pretrained(folder, attn_implementation="eager").eval()
        self.ours = vitrine.load(folder)
        self.folder = folder


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = Pair(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get
