"""Everything there is to see in a forecaster and a table, as plain values: what the page is made of."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatework._version import __version__
from gatework.cells import CELLS
from gatework.data.series import SeriesTable
from gatework.data.windows import WindowBatch, Windows
from gatework.errors import ConfigError, DataError, GateworkError, nearest
from gatework.insight.attribution import integrated_gradients
from gatework.insight.describe import describe
from gatework.insight.flow import gradient_flow
from gatework.insight.memory import half_life, kept_share, orders, saturation
from gatework.insight.watch import Seen, recurrent_layers, watch
from gatework.nn.horizon import HorizonNetwork
from gatework.train.losses import pinball
from gatework.train.progress import Progress, Quiet

SAMPLE = 64  # windows that half-lives, saturation and gradients are averaged over
SHOWN = 3  # windows that are drawn unless one is asked for
MAX_TARGETS = 4


def inspect_forecaster(
    model: Any,
    data: Any,
    *,
    series: str | None = None,
    window: int | None = None,
    compare: bool = True,
    extra: str = "error",
    resample: str | None = None,
    mend: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Gates, memory, gradients and attributions of a fitted forecaster over a table, all JSON.

    Args:
        model: a fitted :class:`~gatework.Forecaster`.
        data: a table as ``evaluate`` takes it.
        series: the one to look at; all of them, a few windows, when absent.
        window: its number from 0, or from the end when negative.
        compare: train a plain RNN of the same size on this table, to compare gradients with.
        extra, resample, mend: as in ``evaluate``.
        progress: told what happens.

    Raises:
        ConfigError: the network has no recurrent layer, or there is no such window.
        DataError: the table does not fit, or has no such series.
    """
    model._check_fitted("inspect")
    network: HorizonNetwork = model.network_
    network.eval()
    check_recurrent(network)
    progress = progress or Quiet()
    table = model._read(data, need_targets=True, extra=extra, resample=resample, mend=mend)
    windows = _of_series(model._backtest_windows(table, 1), table, series)
    sample = windows.every(SAMPLE)
    chosen = _chosen(windows, window)
    progress.stage(f"looking into {len(sample)} of {len(windows)} windows")
    batch = sample.batch(slice(None))
    seen = watch(network, lambda: network(batch))[0]
    layers = [_layer(seen, number) for number in range(len(seen.gates))]
    rivals = (
        {"plain RNN, trained": _trained_rnn(model, data, resample, mend, progress)}
        if compare
        else {}
    )
    return {
        "gatework_version": __version__,
        "source": table.source,
        "model": describe(network),
        "cell": {"name": seen.cell.name, "title": seen.cell.title, "summary": seen.cell.summary},
        "frequency": table.frequency.text,
        "segment": network.spec.segment,
        "steps": seen.x.shape[1],
        "context": network.spec.context,
        "horizon": network.spec.horizon,
        "targets": list(table.schema.targets),
        "sampled": len(sample),
        "windows": len(windows),
        "layers": layers,
        "shown": [
            _window(model, table, chosen, number, k, seen.layer)
            for number in range(len(chosen))
            for k in range(min(network.spec.targets, MAX_TARGETS))
        ],
        "flow": _flows(network, batch, rivals),
        "notes": [text for text in rivals.values() if isinstance(text, str)],
        "trained_epochs": len(model.training_.history),
    }


def check_recurrent(network: Any) -> None:
    """Raise a ConfigError for a network without gates or memory."""
    if not recurrent_layers(network):
        raise ConfigError(
            "this model's network is feedforward: it has no gates and no memory to look into. Fit one with "
            "a recurrent cell, for instance --cell lstm."
        )


# ---- which windows


def _of_series(windows: Windows, table: SeriesTable, series: str | None) -> Windows:
    if series is None:
        return windows
    names = [str(n) for n in table.names]
    if table.schema.series is None:
        raise DataError(f"{table.source}: there is one series without a name. Leave out --series.")
    if series not in names:
        raise DataError(f"{table.source}: there is no series {series!r}. {nearest(series, names)}")
    kept = windows.starts.numpy()[windows.series.numpy() == names.index(series)]
    if not len(kept):
        raise DataError(
            f"{table.source}: series {series!r} has no window of context + horizon = {windows.context} + "
            f"{windows.horizon} rows with measured values. Choose another, or give more of its rows."
        )
    return Windows(windows.sequences, windows.context, windows.horizon, kept)


def _chosen(windows: Windows, number: int | None) -> Windows:
    if number is None:
        return windows.every(SHOWN)
    if not -len(windows) <= number < len(windows):
        raise ConfigError(
            f"there is no window {number}: there are {len(windows)}, numbered 0 to {len(windows) - 1}, or from "
            f"-1, the last, back to -{len(windows)}."
        )
    start = windows.starts.numpy()[number : number + 1 or None]
    return Windows(windows.sequences, windows.context, windows.horizon, start)


# ---- what is seen


def _layer(seen: Seen, number: int) -> dict[str, Any]:
    """Of one layer: half-lives, saturation, orders of units."""
    planes = seen.gates[number]
    kept = kept_share(seen.cell, planes)
    if kept is not None and seen.cell.keeps == "1-i/n" and kept.shape[1] > 1:
        # n starts at 0, so the first step makes it i alone: nothing was there that could be kept
        kept = kept[:, 1:]
    found: dict[str, Any] = {
        "number": number + 1,
        "units": planes["h"].shape[2],
        "kept": seen.cell.keeps if kept is not None else None,
        "orders": orders(kept, planes["h"]),
        "half_life": None,
        "saturation": {},
    }
    if kept is not None:
        found["half_life"] = [_plain(v) for v in half_life(kept).tolist()]
    for name, plane in planes.items():
        if name not in seen.cell.states and is_gate(plane):
            left, right = saturation(plane)
            found["saturation"][name] = [_rounded(left), _rounded(right)]
    return found


def is_gate(plane: Tensor) -> bool:
    """Whether all values lie between 0 and 1, and are no state that happens to."""
    return bool(((plane >= 0) & (plane <= 1)).all())


def _window(
    model: Any, table: SeriesTable, windows: Windows, number: int, k: int, layer: Any
) -> dict[str, Any]:
    """One window of one target: times, input, forecast, planes of each layer, attributions."""
    network: HorizonNetwork = model.network_
    spec = network.spec
    batch = windows.batch(slice(number, number + 1))
    start = int(windows.starts[number])
    before, after = (
        np.arange(start, start + spec.context),
        np.arange(start + spec.context, start + spec.context + spec.horizon),
    )
    seen = watch(network, lambda: network(batch))[0]
    one = Windows(
        windows.sequences, spec.context, spec.horizon, windows.starts.numpy()[number : number + 1]
    )
    mean, _ = model._forecasts(one)
    n = spec.in_segments
    first_rows = [max(0, spec.context - (n - i) * spec.segment) for i in range(n)]
    named = table.schema.series is not None
    hidden = seen.cell.states[2:]  # a normaliser and a stabiliser say little to a reader
    return {
        "series": str(table.names[int(windows.series[number])]) if named else None,
        "target": table.schema.targets[k],
        "times": [str(t) for t in table.times(before)],
        "input": _rounded(table.targets[before, k]),
        "future_times": [str(t) for t in table.times(after)],
        "truth": _rounded(table.targets[after, k]),
        "forecast": _rounded(mean[0, :, k]),
        "first_rows": first_rows,
        "layers": [_planes(planes, k, hidden) for planes in seen.gates],
        "attribution": _attributions(
            network, batch, k, float(windows.sequences.scale[batch.series[0], k])
        ),
    }


def _planes(planes: dict[str, Tensor], row: int, hidden: tuple[str, ...]) -> dict[str, Any]:
    """Planes ``(H, T)`` of one sequence: gates in hundredths, states to three digits."""
    found = {}
    for name, plane in planes.items():
        if "_" in name or name in hidden:  # a product inside a gate has an underscore
            continue
        values = plane[row].T
        gate = name not in "ch" and is_gate(plane)
        numbers = (
            (100 * values).round().int().tolist() if gate else [_rounded(v, 3) for v in values]
        )
        found[name] = {"gate": gate, "values": numbers}
    return found


def _attributions(
    network: HorizonNetwork, batch: WindowBatch, k: int, scale: float
) -> list[dict[str, Any]]:
    """What each past row adds to the forecast of the first and of the last step of the horizon."""
    flat = torch.nanmean(batch.y, dim=1, keepdim=True).nan_to_num()
    found = []
    for step in sorted({0, network.spec.horizon - 1}):

        def forecast(y: Tensor, step: int = step) -> Tensor:
            mean: Tensor = network(replace(batch, y=y)).mean
            return mean[:, step, k]

        a = integrated_gradients(forecast, batch.y, flat)
        values = (a.values[0].sum(dim=-1) * scale).tolist()
        found.append(
            {
                "step": step + 1,
                "values": _rounded(values),
                "change": _plain(float(a.output[0] - a.baseline[0]) * scale),
                "residual": _plain(float(a.residual[0]) * scale),
                "points": a.points,
            }
        )
    return found


# ---- gradients, beside those of others


def _flows(
    network: HorizonNetwork, batch: WindowBatch, rivals: dict[str, Any]
) -> list[dict[str, Any]]:
    spec = network.spec
    own = "this model"
    networks: dict[str, Any] = {own: network, "the same, untrained": _untrained(network, spec.cell)}
    if spec.cell != "rnn":
        networks["plain RNN, untrained"] = _untrained(network, "rnn")
        networks |= {name: n for name, n in rivals.items() if not isinstance(n, str)}
    found = []
    for name, one in networks.items():
        flow = _flow(one, batch)
        for state, norms in flow.items():
            # a normaliser and a stabiliser say little to a reader
            if state == "h" or (name == own and state in CELLS[spec.cell].states[:2]):
                top = float(norms[0]) or math.nan
                shares = [_plain(float(v) / top) for v in norms]
                found.append({"name": name, "state": state, "share": shares})
    return found


def _flow(network: HorizonNetwork, batch: WindowBatch) -> dict[str, Tensor]:
    levels = torch.tensor(network.spec.levels)

    def loss() -> Tensor:
        assert batch.future is not None
        return 2 * pinball(network(batch).quantiles, batch.future, levels)

    return gradient_flow(network, network.recurrent, loss)


def _untrained(network: HorizonNetwork, cell: str) -> HorizonNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return HorizonNetwork(replace(network.spec, cell=cell)).eval()


def _trained_rnn(
    model: Any, data: Any, resample: str | None, mend: bool, progress: Progress
) -> Any:
    """A plain RNN trained as the model was, for as many epochs; or a sentence that says why there is none."""
    spec, schema = model.network_.spec, model.encoder_.schema
    if spec.cell == "rnn":
        return "This model is a plain RNN itself, so there is none beside it."
    epochs = len(model.training_.history)
    settings = model.fitted_config_.model_dump(mode="python") | {
        "cell": "rnn", "context": spec.context, "segment": spec.segment, "max_epochs": epochs,
        "patience": epochs,
    }  # fmt: skip
    progress.stage(f"training a plain RNN of the same size to compare with, {epochs} epochs")
    try:
        rival = type(model)(**settings).fit(
            data, target=list(schema.targets), time=schema.time, series=schema.series, past=schema.past,
            known=schema.known, static=schema.static, categorical=schema.categorical, resample=resample,
            mend=mend, progress=Quiet(),
        )  # fmt: skip
    except GateworkError as error:
        return f"No plain RNN could be trained on this table to compare with: {error}"
    if replace(rival.network_.spec, cell=spec.cell) != spec:
        return "No plain RNN stands beside it: on this table it would have other inputs than this model."
    return rival.network_


def _rounded(values: Any, digits: int = 5) -> list[float | None]:
    return [
        _plain(float(v), digits) for v in (values.tolist() if hasattr(values, "tolist") else values)
    ]


def _plain(value: float, digits: int = 5) -> float | None:
    """As JSON has it: what is not finite is null."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
