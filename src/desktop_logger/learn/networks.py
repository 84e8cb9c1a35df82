"""The two small networks, on PyTorch: a GRU and a causal transformer over embedded steps, with two answers a step.

The only module of the house that imports torch. Shapes: a batch of windows is (batch, time, columns), columns being
action, wait and the token's parts; the answers are logits (batch, time, actions) and (batch, time, pauses).
"""

from __future__ import annotations

import torch
from torch import nn

from .config import Config


class Network(nn.Module):
    """Embeds each column of a step, adds them up, looks back with a GRU or a transformer, and answers twice."""

    def __init__(self, config: Config, widths: list[int], actions: int, pauses: int) -> None:
        """``widths``: how many values each column can take."""
        super().__init__()
        self.kind = config.kind
        self.embeddings = nn.ModuleList(nn.Embedding(width, config.size) for width in widths)
        self.dropout = nn.Dropout(config.dropout)
        if config.kind == "gru":
            self.body = nn.GRU(config.size, config.size, config.layers, batch_first=True)
        else:
            layer = nn.TransformerEncoderLayer(
                config.size, heads(config.size), 4 * config.size, config.dropout, batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
            self.position = nn.Embedding(config.context, config.size)
        self.last = nn.LayerNorm(config.size)
        self.action = nn.Linear(config.size, actions)
        self.wait = nn.Linear(config.size, pauses)

    def forward(self, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of what comes after each step; step t sees steps 0 … t only."""
        seen = sum(embed(columns[:, :, n]) for n, embed in enumerate(self.embeddings))
        if self.kind == "gru":
            hidden, _ = self.body(self.dropout(seen))
        else:
            time = columns.shape[1]
            seen = seen + self.position(torch.arange(time))
            later = torch.triu(torch.ones(time, time, dtype=torch.bool), 1)
            hidden = self.body(self.dropout(seen), mask=later, is_causal=True)
        hidden = self.last(self.dropout(hidden))
        return self.action(hidden), self.wait(hidden)


def heads(size: int) -> int:
    """Attention heads for a width: the most of 8, 4, 2, 1 that divide it."""
    return next(number for number in (8, 4, 2, 1) if size % number == 0)
