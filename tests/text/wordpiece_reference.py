#!/usr/bin/env python3
"""Lines of text of every kind, and what Transformers' BERT tokenizer makes of them.

    python3 tests/text/wordpiece_reference.py MODEL_FOLDER > tests/text/wordpiece_reference.json

{"tokens": {id: name}, "lines": [[text, [id...]]...]}; only the tokens that occur are listed. Longest pieces first, so
the others change nothing. Characters are of Unicode 8 and before but for emoji (text/wordpiece.hpp says why).
"""

import json
import random
import sys
import unicodedata

SENTENCES = """
The quick brown fox jumps over the lazy dog.
She said: "It's 5 o'clock—isn't it?" (No, it's 6:30 p.m.)
E-mail me at first.last+tag@example.co.uk or visit https://example.com/a_b?c=1&d=%20#top!
In 2024, prices rose by 3.14% to $1,299.99; €45 or £30 or ¥5000, i.e. ±2σ.
def f(x): return x**2 if x >= 0 else -x  # comment
Unbelievably antidisestablishmentarianism tokenizes electroencephalographically.
Déjà vu: à la carte, crème brûlée, naïve façade, Noël, œuvre, garçon.
Der Fluß heißt Ärger, Öl, Übung; Straße und STRASSE, Größenwahn.
El niño comió piñata; ¿dónde está el baño? ¡Aquí!
Ação, coração, não, pão-de-ló, você às três.
Città, perché, più, così, l'università dell'Aquila.
Žluťoučký kůň úpěl ďábelské ódy.
Zażółć gęślą jaźń, Łódź, Kraków.
Árvíztűrő tükörfúrógép.
Smørrebrød på Ærø, Åse, blåbær.
Þórður fór út í Æðey.
İstanbul'da ığdır, IĞDIR, şişe, çocuk, İIıi.
Quốc ngữ: tiếng Việt có nhiều dấu, phở, bánh mì.
Съешь же ещё этих мягких французских булок, да выпей чаю. Ёлка, Й, й.
Українська: її, є, ґанок, ЇЖАК.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΆΈΉΊΌΎΏ ΣΊΣΥΦΟΣ σς.
Հայերեն լեզու, Երևան։
שָׁלוֹם עוֹלָם, עברית עם ניקוד.
العَرَبِيَّة لُغَة جميلة، أليس كذلك؟ ١٢٣
فارسی: می‌خواهم، نیم‌فاصله.
हिन्दी में क्षमा, ज़िंदगी, क़लम, कि की कु।
বাংলা ভাষা, কো কৌ।
தமிழ் மொழி, கொ கோ கௌ.
తెలుగు భాష, కై.
ಕನ್ನಡ ಭಾಷೆ, ಕೊ ಕೋ.
മലയാളം, കൊ കോ.
ภาษาไทยมีวรรณยุกต์ น้ำ กี่ ปู่ ที่
ພາສາລາວ
မြန်မာဘာသာ
ខ្មែរ ភាសា
བོད་ཡིག་
ქართული ენა, საქართველო
አማርኛ ቋንቋ።
한국어 문장입니다. 각, 값, 뷁!
日本語の文章です。カタカナ、ひらがな、ガギグゲゴ、ﾊﾟﾋﾟ。
中文句子：我爱北京天安门，你呢？「引号」《书名》
繁體中文與简体中文混合 mixed with English and 123。
𠀀𠮷野家 㐀䶵 豈更車 﨎 丽
Emoji: 😀😃😄 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☺︎ ✈️ 1️⃣ 🧑🏿‍🚀 🫠
Math: ∑_{i=0}^{n} x_i² ≤ ∫₀^∞ e^{−x²}dx ≈ √π/2, ∀ε>0 ∃δ, ℝ∖ℚ, ½ ⅓ ①②Ⅳⅷ ℃ Å K Ω
Typography: “curly” ‘single’ „low“ «guillemets» ‹s› … – — ― ‐ ‑ • · § ¶ † ‡ © ® ™ ª º
Ligatures ﬁ ﬂ ﬃ ﬅ ĳ Ǆ ǅ ǆ ŉ ß ẞ ſ
ＦＵＬＬＷＩＤＴＨ ｌｅｔｔｅｒｓ　ａｎｄ　ｓｐａｃｅ！？
Combining: e\u0301 a\u0308 o\u0302\u0301 s\u0323\u0307 s\u0307\u0323 n\u0303 Z\u0351\u036b\u0343a\u0322l\u0321g\u0337o
\u1e9b\u0323 \u212b \u2126 \u0344 \u0374 \u037e \u0387 \u1fef \u0958 \u0f73 \uf900 \u2329
[CLS] is special, [SEP] too, and [MASK] [PAD] [UNK]; but [mask] and [ MASK ] are not. x[MASK]y
##ing ##s # ## ### a##b _under_score__ ~tilde~ `tick` ^caret^ |pipe| \\back\\slash /sl/ash
tab\tseparated\tvalues and  many   spaces, trailing   
zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffbom soft\u00adhyphen
nbsp\u00a0thin\u2009hair\u200aideographic\u3000line\u2028paragraph\u2029ogham\u1680nnbsp\u202fmmsp\u205fend
bell\x07null\x00escape\x1b[31mred\x1b[0m del\x7f c1\x85\x9f vt\x0bff\x0c
bidi \u202aleft\u202c \u202bright\u202c \u2066iso\u2069 \u200e\u200f
replacement \ufffd private \ue000\uf8ff noncharacter \ufdd0
""".strip("\n").split("\n")

RANGES = [
    (0x21, 0x7E), (0xA1, 0x17F), (0x180, 0x24F), (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF),
    (0x531, 0x589), (0x591, 0x5F4), (0x600, 0x61B), (0x61E, 0x6FF), (0x900, 0x97F), (0x985, 0x9E3), (0xE01, 0xE5B), (0x10A0, 0x10FF),
    (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2010, 0x205E), (0x2070, 0x209C), (0x20A0, 0x20BA),
    (0x2100, 0x214F), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2460, 0x24FF), (0x2500, 0x25FF), (0x2600, 0x26FF),
    (0x2701, 0x27BF), (0x3000, 0x303F), (0x3041, 0x30FF), (0x3131, 0x318E), (0x3400, 0x3450), (0x4E00, 0x4FFF),
    (0xAC00, 0xAD00), (0xF900, 0xFAD9), (0xFB00, 0xFB06), (0xFE30, 0xFE6B), (0xFF01, 0xFFEE), (0x1D400, 0x1D7CB),
    (0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x20000, 0x20050), (0x2F800, 0x2FA1D),
]  # fmt: skip
MARKS = "\u0300\u0301\u0302\u0303\u0308\u030a\u0323\u0327\u0328\u0345\u05b0\u064b\u093c\u3099\u20dd\u302e"


def lines(count, seed=1):
    """`count` lines without line breaks: the sentences, then what chance makes of them."""
    random_ = random.Random(seed)
    made = list(SENTENCES)
    words = [word for sentence in SENTENCES for word in sentence.split(" ") if word]

    def characters(low, high):
        span = random_.choice(RANGES)
        return "".join(chr(random_.randint(*span)) for _ in range(random_.randint(low, high)))

    def mixed():
        return " ".join(random_.choice(words) for _ in range(random_.randint(1, 7)))

    def marked():
        return "".join(
            c + "".join(random_.choice(MARKS) for _ in range(random_.randint(0, 3))) for c in random_.choice(words)
        )

    ways = [
        mixed,
        lambda: mixed().upper(),
        lambda: mixed().swapcase(),
        lambda: unicodedata.normalize(random_.choice(("NFC", "NFD", "NFKC", "NFKD")), mixed()),
        lambda: " ".join(characters(1, 8) for _ in range(random_.randint(1, 4))),
        lambda: characters(2, 5) + random_.choice(words) + characters(1, 3),
        marked,
        lambda: "".join(random_.choice(words) for _ in range(random_.randint(2, 4))),
        lambda: random_.choice(".,;:!?-_'\"()[]{}@#$%&*+/\\<>=~`^|").join(random_.sample(words, 3)),
        lambda: random_.choice("abcxyzäé中é1") * random_.randint(95, 106),
        lambda: mixed()[:: random_.choice((1, -1))],
        lambda: random_.choice(("\t", "  ", "\u00a0", "\u200b", "\u3000", "\x01")).join(random_.sample(words, 3)),
        lambda: "[MASK]".join(random_.sample(words, 2)),
        lambda: "",
    ]
    while len(made) < count:
        line = random_.choice(ways[:-1] if random_.random() < 0.99 else ways)()
        made.append(line.replace("\n", " ").replace("\r", " "))
    return made[:count]


def reference(folder):
    import transformers

    tokenizer = transformers.BertTokenizerFast.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def main(folder):
    tokenizer, texts = reference(folder), lines(1200)
    ids = [tokenizer(text)["input_ids"] for text in texts]
    used = sorted({i for line in ids for i in line})
    print('{"tokens": {')
    print(",\n".join(f"{json.dumps(str(i))}: {json.dumps(tokenizer.convert_ids_to_tokens(i))}" for i in used))
    print('}, "lines": [')
    print(",\n".join(json.dumps([text, line], separators=(",", ":")) for text, line in zip(texts, ids)))
    print("]}")


if __name__ == "__main__":
    main(sys.argv[1])
