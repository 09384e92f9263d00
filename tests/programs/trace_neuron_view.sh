#!/usr/bin/env bash
# trace_neuron_view PROGRAM: queries and keys in both formats; softmax(q k^T / sqrt(D)) is the kept map.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
check "npz" exits 0 "$scratch/vectors.npz"
check "json" exits 0 "$scratch/vectors.json" vitrine
check "BertViz's own members" [ "$(head -c 32 "$scratch/vectors.json")" = '{"attention":{"all":{"attn":[[[[' ]
if python3 -c 'import numpy' 2>/dev/null; then
  check "the maps are made of them" python3 - "$scratch" <<'END'
import json, sys
import numpy as np
z = np.load(sys.argv[1] + "/vectors.npz")
for kind in ("encoder_self", "decoder_self", "cross"):
    q, k, weights = (z["0/" + kind + part].astype("f8") for part in (".queries", ".keys", ""))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    if kind == "decoder_self":
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    assert np.abs(p / p.sum(-1, keepdims=True) - weights).max() < 1e-6, kind
view = json.load(open(sys.argv[1] + "/vectors.json"))["attention"]["all"]
assert view["left_text"] == [*"vitrine", "</s>"]
assert np.array(view["queries"]).shape == np.array(view["keys"]).shape == (3, 4, 8, 32)
END
fi
from_elsewhere() { (cd "$scratch" && exits 0 --model "$root/$model" elsewhere.npz); }
root=$PWD
check "from anywhere" from_elsewhere
check "the same file" cmp -s "$scratch/elsewhere.npz" "$scratch/vectors.npz"
check "--help" exits 0 --help
check "no argument" exits 2
check "another kind of file" exits 2 "$scratch/vectors.txt"
check "it is said" says "it writes .npz or .json files, not $scratch/vectors.txt"
check "and nothing is written" [ ! -e "$scratch/vectors.txt" ]
check "a letter that the model does not know" exits 2 "$scratch/x.npz" 'na~ve'
check "a folder that is not there" exits 2 "$scratch/nowhere/x.npz"
finish
