"""``Forecaster.embed``: the encoder's last state, a row per window and target."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from gatework import Forecaster
from gatework.errors import DataError, NotFittedError
from gatework.insight import watch


def frame(n: int = 150) -> pl.DataFrame:
    t = np.arange(n)
    rows = []
    for name, period in (("slow", 24), ("fast", 6)):
        a, b = np.sin(2 * np.pi * t / period), np.cos(2 * np.pi * t / period)
        rows.append(pl.DataFrame({"name": [name] * n, "step": t, "a": a, "b": b}))
    return pl.concat(rows)


@pytest.fixture(scope="module")
def model() -> Any:
    settings: dict[str, Any] = {"horizon": 4, "context": 12, "max_epochs": 1, "hidden_size": 8}
    return Forecaster(**settings).fit(frame(), target=["a", "b"], time="step", series="name")


def test_a_row_for_each_window_and_target(model: Any) -> None:
    found = model.embed(frame(), stride=7)
    assert found.columns == ["series", "timestamp", "target", "embedding"]
    assert found["embedding"].dtype == pl.Array(pl.Float32, 8)
    each = len(range(0, 150 - 16 + 1, 7))
    assert found.height == 2 * 2 * each
    assert found["timestamp"].head(4).to_list() == [11, 11, 18, 18]
    assert found["target"].head(3).to_list() == ["a", "b", "a"]
    assert found["series"].to_list() == ["slow"] * (2 * each) + ["fast"] * (2 * each)
    assert np.isfinite(found["embedding"].to_numpy()).all()


def test_it_is_the_last_h_of_the_encoder(model: Any) -> None:
    table = model._read(frame(), need_targets=True, extra="error", mend=False)
    batch = model._backtest_windows(table, 7).batch(slice(None))
    last = watch(model.network_, lambda: model.network_(batch))[0].gates[-1]["h"][:, -1]
    found = torch.tensor(model.embed(frame(), stride=7)["embedding"].to_numpy())
    torch.testing.assert_close(found, last, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found.flip(0), last, atol=1e-3)
    assert not model.network_.recurrent._forward_hooks


def test_bad_input(model: Any) -> None:
    with pytest.raises(NotFittedError, match="embed"):
        Forecaster().embed(frame())
    with pytest.raises(DataError, match="fewer than context"):
        model.embed(frame(9))
