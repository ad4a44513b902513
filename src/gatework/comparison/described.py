"""What data a comparison is of: its table, targets, rows, parts and dates."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from gatework.tasks.forecast_data import ForecastData, split_facts


def described(prepared: Any) -> dict[str, Any] | None:
    """As plain values; None for a task whose prepared data are no table of series.

    Returns:
        ``source``, ``targets``, ``rows``, ``series`` (their number), ``frequency`` (text), ``context`` (steps),
        and ``parts``: of each its ``rows``, ``windows``, ``from`` and ``to``.
    """
    if not isinstance(prepared, ForecastData):
        return None
    table = prepared.table
    return {
        "source": PurePath(table.source).name,
        "targets": list(table.schema.targets),
        "rows": int(table.offsets[-1]),
        "series": len(table.names),
        "frequency": table.frequency.text,
        "context": prepared.context,
        "parts": split_facts(prepared),
    }
