"""Each data set as frames or sessions, its official test part apart; labels of training rows are not read.

Raises FileNotFoundError where a file is absent.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

BoolArray = npt.NDArray[np.bool_]
LABEL = "label"  # 0 throughout in training: the fit decides on the column, the test part fills it
HDFS_TRAIN = 3855


class NabSeries(NamedTuple):
    """A file of NAB, and its labelled windows as first and last row."""

    name: str
    frame: pl.DataFrame
    windows: list[tuple[int, int]]


class Tables(NamedTuple):
    """Training and test rows, both with the column ``label``."""

    train: pl.DataFrame
    test: pl.DataFrame


class Sessions(NamedTuple):
    """Sessions of event ids to learn from; those of the test part with what they are."""

    train: list[list[str]]
    test: list[list[str]]
    abnormal: BoolArray


class Payments(NamedTuple):
    """Payments in time order, how many train and validate, and which of all are fraud."""

    frame: pl.DataFrame
    train: int
    validation: int
    fraud: BoolArray


def nab(folder: Path) -> list[NabSeries]:
    """All files that ``combined_windows.json`` names, in its order."""
    named = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    found = []
    for name, windows in named.items():
        frame = pl.read_csv(
            folder / name, try_parse_dates=True, schema_overrides={"value": pl.Float64}
        )
        found.append(NabSeries(name, frame, rows_of(frame["timestamp"], windows)))
    return found


def rows_of(times: pl.Series, windows: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """First and last row of each window, both of its ends inside."""
    found = []
    for window in windows:
        first, last = (pl.Series([w]).str.to_datetime("%Y-%m-%d %H:%M:%S%.f")[0] for w in window)
        rows = ((times >= first) & (times <= last)).arg_true()
        found.append((int(rows[0]), int(rows[-1])))
    return sorted(found)


def smd(folder: Path) -> Tables:
    """38 measures of a server: half a history to learn from, half with labels."""
    with np.load(folder / "machine-1-4.npz") as arrays:
        train, test, labels = arrays["train"], arrays["test"], arrays["test_label"]
    names = [f"value_{c}" for c in range(train.shape[1])]
    return Tables(
        pl.DataFrame(train, schema=names).with_columns(pl.lit(0).alias(LABEL)),
        pl.DataFrame(test, schema=names).with_columns(pl.Series(LABEL, labels.astype(np.int64))),
    )


def hdfs(folder: Path, train: int = HDFS_TRAIN) -> Sessions:
    """The first normal sessions; the others and all abnormal ones to test with."""
    normal, abnormal = (
        [line.split() for line in (folder / name).read_text().splitlines() if line.strip()]
        for name in ("hdfs_train", "hdfs_test_abnormal")
    )
    test = [*normal[train:], *abnormal]
    flags = np.arange(len(test)) >= len(normal) - train
    return Sessions(normal[:train], test, flags)


def nsl(folder: Path) -> Tables:
    """Connections: of the training file the normal ones, of the test file all."""
    parts = []
    for name in ("KDDTrain+_20Percent.txt", "KDDTest+.txt"):
        with open(folder / name, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
        columns = {f"f{c}": [row[c] for row in rows] for c in range(41)}
        columns[LABEL] = ["normal" if row[41] == "normal" else "attack" for row in rows]
        frame = pl.DataFrame(columns)
        parts.append(frame)
    train = parts[0].filter(pl.col(LABEL) == "normal")
    text = {n for n in columns if not _numbers(train[n])}
    cast = [pl.col(n).cast(pl.Float64) for n in columns if n not in text]
    return Tables(train.with_columns(cast), parts[1].with_columns(cast))


def _numbers(column: pl.Series) -> bool:
    return column.cast(pl.Float64, strict=False).null_count() == 0


def fraud(folder: Path) -> Payments:
    """Payments with what a bank knows of one without labels: customer, time, amount, and whether the terminal
    is new to the customer."""
    table = pl.read_csv(folder / "transactions.csv.gz", try_parse_dates=True).sort(
        "TX_DATETIME", maintain_order=True
    )
    seen = pl.col("TERMINAL_ID").cum_count().over("CUSTOMER_ID", "TERMINAL_ID") > 1
    frame = table.select(
        customer="c" + pl.col("CUSTOMER_ID").cast(pl.String),
        time=pl.col("TX_DATETIME"),
        amount=pl.col("TX_AMOUNT").cast(pl.Float64),
        terminal=pl.when(seen).then(pl.lit("known")).otherwise(pl.lit("new")),
    )
    day = table["TX_TIME_DAYS"]
    return Payments(
        frame,
        int((day < 120).sum()),
        int(((day >= 120) & (day < 150)).sum()),
        (table["TX_FRAUD"] > 0).to_numpy(),
    )
