"""The encoder's last state of windows: a series as a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from gatework.data.series import SeriesTable
from gatework.data.windows import Windows
from gatework.nn.horizon import HorizonNetwork

_BATCH = 512


def encoder_states(network: HorizonNetwork, windows: Windows) -> npt.NDArray[np.float32]:
    """``(W, K, H)``: h of the top layer after each window, for each target."""
    if network.training:
        network.eval()
    found: list[Tensor] = []

    def note(_: Any, __: Any, output: tuple[Tensor, Any]) -> None:
        state = output[1]
        found.append((state[0] if isinstance(state, tuple) else state)[-1])

    handle = network.recurrent.register_forward_hook(note)
    try:
        with torch.inference_mode():
            for batch in windows.batches(_BATCH):
                network(batch)
    finally:
        handle.remove()
    states = torch.cat(found) if found else torch.empty(0, network.spec.hidden_size)
    return states.view(len(windows), network.spec.targets, -1).numpy()


def embedding_frame(
    table: SeriesTable,
    windows: Windows,
    rows: npt.NDArray[np.int64],
    states: npt.NDArray[np.float32],
) -> pl.DataFrame:
    """A row per window and target; ``rows`` are the last ones that the windows read."""
    W, K, H = states.shape
    columns: list[pl.Series] = []
    if table.schema.series is not None:
        names = [table.names[int(s)] for s in windows.series for _ in range(K)]
        columns.append(pl.Series("series", names))
    columns.append(table.times(np.repeat(rows, K)).alias("timestamp"))
    columns.append(pl.Series("target", list(table.schema.targets) * W))
    vectors = pl.Series("embedding", states.reshape(W * K, H), dtype=pl.Array(pl.Float32, H))
    return pl.DataFrame([*columns, vectors])
