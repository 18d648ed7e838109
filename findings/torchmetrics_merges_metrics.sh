#!/usr/bin/env bash
# torchmetrics 1.9.0, torch 2.13.0.
# Guess: what is computed for a metric of a MetricCollection is what the metric computes by itself.
# Behavior: metrics whose states are equal after the first batch are taken for the same from then on, whatever their
# arguments: all get the values of one of them. No warning. With compute_groups=False they are apart.
# Seen: of accuracies with thresholds of 0.3 and 0.7 that agree about the first batch, the second of which has
# probabilities of 0.5, both are 0.4 (by themselves 1 and 0.4); averages over the classes and of each class stay right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 torchmetrics==1.9.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryAccuracy, BinaryRecall, MulticlassAccuracy

clear = torch.tensor([0.1, 0.9]), torch.tensor([0, 1])
unclear = torch.tensor([0.5, 0.5, 0.5]), torch.tensor([1, 1, 1])


def computed(metrics, batches, **settings):
    together = MetricCollection({name: metric.clone() for name, metric in metrics.items()}, **settings)
    for batch in batches:
        together.update(*batch)
        for metric in metrics.values():
            metric.update(*batch)
    results = together.compute(), {name: metric.compute() for name, metric in metrics.items()}
    for metric in metrics.values():
        metric.reset()
    return [{name: round(float(each[name].float().mean()), 3) for name in metrics} for each in results]


for kind in BinaryAccuracy, BinaryRecall:
    metrics = {"low": kind(threshold=0.3), "high": kind(threshold=0.7)}
    merged, alone = computed(metrics, [clear, unclear])
    print(kind.__name__, merged, alone)
    assert merged["low"] == merged["high"] == alone["high"] != alone["low"]

    for settings, batches in (({"compute_groups": False}, [clear, unclear]), ({}, [unclear, clear])):
        apart, alone = computed(metrics, batches, **settings)
        assert apart == alone and alone["low"] == 1

classes = torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 1, 2, 1])
metrics = {each: MulticlassAccuracy(3, average=each) for each in ("macro", "none")}
apart, alone = computed(metrics, [classes, classes])
assert apart == alone
EOF
