"""Frames as files of the usual kinds."""

from __future__ import annotations

import io
import os
from pathlib import Path

import polars as pl

from gatework.errors import ConfigError
from gatework.files import write_atomically

WRITE_ENDINGS = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson")


def write_table(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as .csv .tsv .parquet .json (array of records) or .jsonl, whole or not at all.

    The file appears under its name only when complete; until then a previous one stays as it was.
    Raises ConfigError for an unknown ending, OutputError when it cannot be written (folder missing,
    no permission, disk full).
    """
    check_ending(path)
    write_atomically(path, table_bytes(frame, Path(path).suffix.lower()))


def check_ending(path: str | os.PathLike[str]) -> None:
    """Return when the ending of ``path`` names a kind of table; ConfigError otherwise."""
    ending = Path(path).suffix.lower()
    if ending not in WRITE_ENDINGS:
        raise ConfigError(
            f"{path}: cannot write a table of kind {ending or 'without an ending'!r}. "
            f"Name a file that ends in one of {', '.join(WRITE_ENDINGS)}."
        )


def table_bytes(frame: pl.DataFrame, ending: str) -> bytes:
    """The content of a file of that ending.

    >>> table_bytes(pl.DataFrame({"load": [1.5, None], "n": [1, 2]}), ".csv")
    b'load,n\\n1.5,1\\n,2\\n'
    """
    buffer = io.BytesIO()
    if ending == ".parquet":
        frame.write_parquet(buffer)
    elif ending in (".csv", ".tsv"):
        _plain_times(frame).write_csv(buffer, separator="\t" if ending == ".tsv" else ",")
    else:
        plain = _plain_times(frame).with_columns(pl.selectors.float().fill_nan(None))
        if ending == ".json":
            plain.write_json(buffer)
        else:
            plain.write_ndjson(buffer)
    return buffer.getvalue()


def _plain_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Frame with timestamps as text, without fractions of a second where there are none."""
    texts = []
    for column, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime):
            whole = (frame[column].dt.nanosecond().drop_nulls() == 0).all()
            zone = "%:z" if dtype.time_zone else ""
            texts.append(
                pl.col(column).dt.to_string(f"%Y-%m-%d %H:%M:%S{'' if whole else '%.6f'}{zone}")
            )
    return frame.with_columns(texts) if texts else frame
