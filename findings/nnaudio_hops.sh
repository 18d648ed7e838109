#!/usr/bin/env bash
# nnaudio 0.3.4, torch 2.13.0.
# Guess: without hop_length an STFT hops n_fft // 4, as its page and torch.stft say; and CQT2010v2 takes any hop that
# CQT1992v2 takes, since they compute the same transform.
# Behavior: the STFT hops win_length // 4, so that a shorter window changes the number of frames. CQT2010v2 halves the
# signal and its hop for each octave, and once more where the top octave allows it; from an odd hop on the octaves have
# different lengths, and the error is that of a cat, which says nothing of the hop.
# Seen: 161 and 63 frames for a window of 100; 41 frames by CQT1992v2 with a hop of 100, and by CQT2010v2 "Expected size
# 42 but got size 41 for tensor number 1 in the list"; 26 by both with a hop of 160.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 nnaudio==0.3.4

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from nnAudio import features

signal = torch.rand(1, 4000)
window = torch.hann_window(100)


def stft(**kwargs):
    layer = features.STFT(n_fft=256, output_format="Magnitude", verbose=False, **kwargs)
    return layer(signal).shape[-1]


def torch_stft(**kwargs):
    return torch.stft(signal, 256, return_complex=True, window=window, win_length=100, **kwargs).shape[-1]


print(stft(), stft(win_length=100), torch_stft())
assert (stft(), stft(win_length=100), torch_stft()) == (63, 161, 63)
assert "equivalent to ``n_fft//4``" in features.STFT.__doc__


def cqt(version, hop_length):
    layer = getattr(features, version)(sr=8000, n_bins=36, fmin=100, hop_length=hop_length, verbose=False)
    try:
        return tuple(layer(signal).shape)
    except RuntimeError as error:
        return str(error)


for hop_length, expected in ((160, (1, 36, 26)), (100, (1, 36, 41))):
    direct, by_octaves = cqt("CQT1992v2", hop_length), cqt("CQT2010v2", hop_length)
    print(direct, by_octaves)
    assert direct == expected
    assert by_octaves == direct if hop_length == 160 else "Expected size 42 but got size 41" in by_octaves
EOF
