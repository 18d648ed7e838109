#!/usr/bin/env bash
# auraloss 0.4.0, torch 2.13.0.
# Guess: auraloss.perceptual.FIRFilter gives signals of the length that they had, for each of its filters.
# Behavior: the padding is half of ntaps, whatever the filter. The A-weighting has ntaps taps and keeps the length; the
# high pass and the folded differentiator have three taps, so that zeros come out at both ends, which a loss that takes
# the mean counts as agreement: ntaps, which sets nothing else of these two, scales the loss.
# Seen: of 500 samples 500 with "aw", 598 with "hp" and "fd", 548 for 51 taps; the mean absolute error is 502/598 and
# 502/548 of what it is without the zeros.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 scipy==1.17.1 auraloss==0.4.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import auraloss
import torch
from torch.nn import functional as F

torch.manual_seed(0)
first, second = torch.randn(2, 1, 500), torch.randn(2, 1, 500)
for kind in ("aw", "hp", "fd"):
    for taps in (51, 101):
        layer = auraloss.perceptual.FIRFilter(filter_type=kind, ntaps=taps, fs=44100)
        filtered, target = layer(first, second)
        print(kind, taps, tuple(filtered.shape), tuple(layer.fir.weight.shape))
        assert filtered.shape == target.shape == (2, 1, 500 if kind == "aw" else 500 + taps - 3)
        assert layer.fir.weight.shape[2] == (taps if kind == "aw" else 3)
        if kind != "aw":
            whole, other = (F.conv1d(x, layer.fir.weight, padding=2) for x in (first, second))
            silent = (taps - 5) // 2
            assert torch.allclose(filtered[..., silent:-silent], whole, atol=1e-6)
            assert not filtered[..., :silent].any() and not filtered[..., -silent:].any()
            loss, wanted = F.l1_loss(filtered, target), F.l1_loss(whole, other)
            print(loss.item(), wanted.item())
            assert torch.isclose(loss, wanted * 502 / (500 + taps - 3))
EOF
