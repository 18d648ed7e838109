"""What would this transformer cost?  On the meta device nothing is computed and no memory is taken.

Run it:

    python examples/transformer_on_meta.py
"""

import torch
from torch import nn

from convlin import summarize


class LanguageModel(nn.Module):
    """Twenty-four blocks of width 2048: 5 GB of weights, if they were there."""

    def __init__(self, vocabulary: int = 50_000, width: int = 2048, blocks: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        block = nn.TransformerEncoderLayer(width, 16, 4 * width, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, blocks, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.embedding(tokens))))


if __name__ == "__main__":
    with torch.device("meta"):
        model = LanguageModel()

    columns = ["layer", "type", "output", "params", "flops", "memory"]
    s = summarize(model, (1024,), batch_size=8, columns=columns, depth=3)
    print(s)

    print("\nTo train it at a batch of 8:\n")
    print(s.memory(gradients=True, optimizer="adam"))
