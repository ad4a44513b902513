"""Observations made ready for training: read, dealt into parts, encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gatework.data.observations import DETECT_KINDS, BoolArray, IntArray, Observations
from gatework.data.row_encoder import RowEncoder, Rows
from gatework.errors import ConfigError, DataError, nearest
from gatework.nn.detect import RowBatch
from gatework.tasks.detect_config import DetectConfig
from gatework.train.progress import Progress

SHARES = (0.7, 0.15, 0.15)
FEWEST = 50  # rows to train on
PARTS = ("train", "validation", "test")


@dataclass
class DetectData:
    """Prepared observations: encoded, each row or session in a part."""

    found: Observations
    encoder: RowEncoder
    rows: Rows
    part: IntArray  # (N,) 0 train, 1 validation, 2 test
    method: str
    independent: bool  # rows that stand on their own
    window: int
    how: str
    notes: list[str]
    before: Any = None  # the model that is trained on, if one is

    @property
    def per_session(self) -> bool:
        """Whether series are judged as a whole."""
        return self.found.sessions

    @property
    def in_time(self) -> bool:
        """Whether rows follow one another: neither on their own nor judged by session."""
        return not self.independent and not self.per_session

    def marked(self, part: int) -> BoolArray:
        """``(N,)`` rows of a part."""
        return np.asarray(self.part == part)

    def batch(self, starts: IntArray, lengths: IntArray) -> RowBatch:
        """Pieces of successive rows."""
        return row_batch(self.rows, starts, lengths)


def row_batch(rows: Rows, starts: IntArray, lengths: IntArray) -> RowBatch:
    """Pieces of encoded rows, what is behind their end padded with rows that the network does not see."""
    steps = np.arange(int(lengths.max()))
    places = np.where(steps < lengths[:, None], starts[:, None] + steps, starts[:, None])
    return RowBatch(
        _tensor(rows.values, places),
        _tensor(rows.tokens, places),
        _tensor(rows.calendar, places),
        torch.from_numpy(lengths.astype(np.int64)),
    )


def _tensor(array: npt.NDArray[Any], places: IntArray) -> Tensor:
    return torch.from_numpy(array[places])


def observe(
    data: Any, *, rows: int, layout: dict[str, Any] | None = None, **roles: Any
) -> Observations:
    """Observations of whatever kind ``data`` holds.

    Raises:
        ConfigError: an unknown kind, or a role that does not go with it.
        DataError: as the readers.
    """
    if isinstance(data, Observations):
        return data
    kind = roles.pop("kind", None) or (layout or {}).get("kind") or _kind_of(data)
    if kind not in DETECT_KINDS:
        raise ConfigError(
            f"there is no kind {kind!r} of data to watch. {nearest(kind, DETECT_KINDS)}"
        )
    if layout is not None and kind != layout["kind"]:
        raise ConfigError(f"the model was fitted with {layout['kind']}, not with {kind}.")
    if layout is not None:
        _check_kind(data, kind)
    need = bool(roles.pop("need_labels", False))
    session = roles.pop("session", None)
    labels = roles.pop("labels", None)
    fit_share = roles.pop("fit_share", SHARES[0])
    if kind == "metrics":
        _refuse("metrics", session=session, labels=labels)
        from gatework.data.observe_table import read_metrics

        return read_metrics(data, rows=rows, layout=layout, need_labels=need, **roles)
    normal = roles.pop("normal", None)
    given = {name: value for name, value in roles.items() if value}
    if kind == "events":
        _refuse("events", session=session, **given)
        from gatework.data.observe_events import read_events

        normal = normal or (layout or {}).get("normal")
        return read_events(data, rows=rows, labels=labels, normal=normal, need_labels=need)
    _refuse("log", labels=labels, **given)
    from gatework.data.observe_log import read_log_lines

    return read_log_lines(
        data, rows=rows, session=session, layout=layout, need_labels=need, fit_share=fit_share
    )


def _check_kind(data: Any, kind: str) -> None:
    """Return unless a file's ending says that it holds another kind of data than the model knows."""
    name = str(data).lower() if isinstance(data, str) or hasattr(data, "__fspath__") else ""
    ending = name.removesuffix(".gz").rpartition(".")[2] if "." in name else ""
    kinds = {"metrics": "a table", "events": "event sequences, one a line", "log": "a log"}
    tables = ("csv", "tsv", "parquet", "jsonl", "ndjson", "json")
    looks = "metrics" if ending in tables else "log" if ending == "log" else kind
    if looks != kind and (kind != "log" or looks == "metrics"):
        raise DataError(
            f"{data}: looks like {kinds[looks]}, and the model was fitted with {kinds[kind]}. Give data of "
            "that kind, or fit another model."
        )


def _kind_of(data: Any) -> str:
    """``events`` of a list of lists, ``log`` of a file that says so by its ending, else a table."""
    if isinstance(data, list | tuple) and data and isinstance(data[0], list | tuple | str):
        return "events"
    name = str(data).lower() if isinstance(data, str) or hasattr(data, "__fspath__") else ""
    return "log" if name.removesuffix(".gz").endswith(".log") else "metrics"


def _refuse(kind: str, **given: Any) -> None:
    odd = [name for name, value in given.items() if value is not None]
    if odd:
        raise ConfigError(f"{odd[0]}= does not go with data of the kind {kind!r}. Leave it out.")


def prepare(
    config: DetectConfig,
    data: Any,
    progress: Progress,
    roles: dict[str, Any],
    encoder: RowEncoder | None = None,
) -> DetectData:
    """Data read, dealt into parts and encoded by what the training part alone tells."""
    split = roles.pop("split", None)
    learn = roles.pop("train_on", "all")
    if learn not in ("all", "normal"):
        raise ConfigError(f"train_on (--train-on) must be 'all' or 'normal'; got {learn!r}.")
    if encoder is not None:
        roles["layout"] = encoder.layout
    found = observe(data, fit_share=_train_share(split), **roles)
    independent = not found.sessions and _independent(found)
    method = config.method or ("reconstruct" if independent else "forecast")
    if found.sessions and method != "forecast":
        raise ConfigError(
            f"method={method!r}: sessions are told event by event, which is method='forecast'. Leave it out."
        )
    if independent and method == "forecast":
        independent = False  # the user knows better
    window = config.window or (1 if independent else 30 if method != "forecast" else 128)
    part, how = _deal(found, split, independent, config.seed)
    notes = list(found.notes)
    if learn == "normal":
        part, note = _normal_only(found, part)
        notes.append(note)
    elif found.labels is not None:
        share = float(found.labels.mean())
        notes.append(f"labels: {share:.2%} anomalous; they judge and are not learned from")
    if independent:
        notes.append("the order of the rows tells nothing: each is taken on its own")
    train = part == 0
    if int(train.sum()) < FEWEST:
        raise DataError(
            f"{found.source}: {int(train.sum())} rows to learn from are too few; give at least {FEWEST}."
        )
    if encoder is None:
        encoder = RowEncoder.fit(found, train, part < 2, calendar=config.calendar)
    if not encoder.live and not encoder.categories:
        raise DataError(
            f"{found.source}: no channel varies in the training part, so there is nothing to learn. Name "
            "others with features= (--features), or give a longer history."
        )
    notes += encoder.describe()
    for note in notes:
        progress.stage(note)
    progress.stage(
        f"method: {method}; "
        + ", ".join(f"{name} {int((part == k).sum()):,} rows" for k, name in enumerate(PARTS))
    )
    return DetectData(
        found, encoder, encoder.encode(found), part, method, independent, window, how, notes
    )


def part_facts(data: DetectData) -> dict[str, Any]:
    """Rows, series and span of each part."""
    facts = {}
    series = np.repeat(np.arange(len(data.found.names)), data.found.lengths)
    for k, name in enumerate(PARTS):
        rows = np.flatnonzero(data.marked(k))
        stamps = data.found.stamps
        own = stamps.gather(rows) if stamps is not None and len(rows) else None
        facts[name] = {
            "rows": len(rows),
            "series": len(np.unique(series[rows])),
            "from": None if own is None else str(own.min()),
            "to": None if own is None else str(own.max()),
        }
    return facts


def _independent(found: Observations) -> bool:
    """Whether a row tells nothing of the next: steps are no smaller than between rows drawn at random."""
    if found.times is not None or found.kind == "log" or len(found) < 200 or len(found.names) > 1:
        return False
    rng = np.random.default_rng(0)
    rows = rng.choice(len(found) - 1, min(20_000, len(found) - 1), replace=False)
    other = rng.permutation(rows)
    ratios = []
    for c in range(found.values.shape[1]):
        x = found.values[:, c]
        if not np.nanmin(x, initial=np.inf) < np.nanmax(x, initial=-np.inf):
            continue
        _, place, counts = np.unique(np.nan_to_num(x), return_inverse=True, return_counts=True)
        rank = (np.cumsum(counts) - counts / 2)[place.ravel()]  # of equal values their middle
        far = np.abs(rank[rows] - rank[other]).mean()
        ratios.append(float(np.abs(rank[rows + 1] - rank[rows]).mean() / max(far, 1e-9)))
    for d in range(found.codes.shape[1]):
        code = found.codes[:, d]
        chance = float((code[rows] == code[other]).mean())
        if chance < 1:
            ratios.append(float((code[rows + 1] != code[rows]).mean() / (1 - chance)))
    return bool(ratios) and float(np.median(ratios)) > 0.9 and min(ratios) > 0.6


def _deal(
    found: Observations, split: tuple[float, float, float] | None, independent: bool, seed: int
) -> tuple[IntArray, str]:
    """``(N,)`` part of each row, and words for it."""
    shares = np.array(split if split is not None else SHARES, float)
    N = len(found)
    if found.sessions:
        S = len(found.names)
        part = _cut(np.arange(S), _counts(shares, S, found.source, "sessions"))
        return np.repeat(part, found.lengths), "the first sessions, then the next, then the last"
    counts = _counts(shares, N, found.source, "rows")
    if independent:
        order = np.random.default_rng(seed).permutation(N)
        place = np.empty(N, np.int64)
        place[order] = np.arange(N)
        return _cut(place, counts), "drawn at random, as the order of the rows tells nothing"
    if len(found.names) == 1:
        return _cut(np.arange(N), counts), "in time order"
    if found.times is not None and found.layout.get("clock"):
        rank = np.argsort(np.argsort(found.times, kind="stable"), kind="stable")
        return _cut(rank, counts), "in time order, at the same moments for all series"
    part = np.empty(N, np.int64)
    share = counts / counts.sum()
    for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        n = int(b - a)
        part[a:b] = _cut(np.arange(n), np.floor(share * n).astype(np.int64))
    return part, "in the order of the rows of each series"


def _train_share(split: tuple[float, float, float] | None) -> float:
    """Share of the rows to learn from, or above 1 their number."""
    shares = split if split is not None else SHARES
    return shares[0] / max(sum(shares), 1e-9) if sum(shares) <= 1 + 1e-9 else shares[0]


def _counts(shares: npt.NDArray[np.float64], n: int, source: str, what: str) -> IntArray:
    """Rows of each part, of shares or counts."""
    if shares.sum() <= 1.0 + 1e-9:
        return np.asarray(np.round(shares / shares.sum() * n), np.int64)
    if shares.sum() > n:
        raise DataError(
            f"{source}: split asks for {int(shares.sum()):,} {what} and there are {n:,}. Give a smaller one."
        )
    counts: IntArray = shares.astype(np.int64)
    counts[2] += n - counts.sum() if counts[2] else 0
    return counts


def _cut(place: IntArray, counts: IntArray) -> IntArray:
    a, b = int(counts[0]), int(counts[0] + counts[1])
    part = np.where(place < a, 0, np.where(place < b, 1, 2))
    return np.asarray(np.minimum(part, 2 if counts[2] else 1), np.int64)


def _normal_only(found: Observations, part: IntArray) -> tuple[IntArray, str]:
    """Parts with the anomalous rows taken out of training and validation."""
    if found.labels is None:
        raise ConfigError(
            "train_on='normal' (--train-on normal) needs labels: name their column with label= (--label)."
        )
    odd = found.labels
    if found.sessions:
        odd = np.repeat(odd, found.lengths)
    out = np.where(odd & (part < 2), 3, part)
    return out, f"{int((out == 3).sum()):,} rows labelled anomalous are left out of the training"
