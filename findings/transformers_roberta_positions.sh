#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0.
# Guess: RoBERTa with max_position_embeddings=16 takes 16 tokens, as BERT does.
# Behavior: positions start at pad_token_id + 1, so that with the padding token 1 it takes 14. 15
# tokens are refused, but 15 padding tokens are taken, as those all have the position of padding: the
# longest input hangs on the values of the tokens. On meta, which has no values, 15 tokens pass.
# Seen: BERT 16 taken; RoBERTa 14 taken, 15 refused, 15 of padding taken, 15 on meta taken.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

sizes = dict(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
    vocab_size=50, max_position_embeddings=16,
)
bert = BertModel(BertConfig(**sizes)).eval()
roberta = RobertaModel(
    RobertaConfig(pad_token_id=1, bos_token_id=0, eos_token_id=2, **sizes)
).eval()


def taken(model, length, token, device="cpu"):
    try:
        model.to(device)(torch.full((1, length), token, device=device))
    except (RuntimeError, IndexError) as error:
        print(type(model).__name__, length, token, device, "refused:", str(error)[:60])
        return False
    print(type(model).__name__, length, token, device, "taken")
    return True


assert taken(bert, 16, 5)
assert taken(roberta, 14, 5)
assert not taken(roberta, 15, 5)
assert taken(roberta, 15, 1)
assert taken(roberta, 15, 5, "meta")
EOF
