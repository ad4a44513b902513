"""Print the table of settings in docs/forecast.md, made from ForecastConfig.

python scripts/settings_table.py            prints the table
python scripts/settings_table.py --write    puts it into docs/forecast.md, between its two markers
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from gatework.tasks.forecast_config import ForecastConfig

PAGE = Path(__file__).parents[1] / "docs" / "forecast.md"
BEGIN = "<!-- settings: made by scripts/settings_table.py -->"
END = "<!-- end of settings -->"


def settings_table() -> str:
    """Markdown table with a row per field: name, type, default, what it is."""
    rows = ["| setting | type | default | what it is |", "|---|---|---|---|"]
    for name, field in ForecastConfig.model_fields.items():
        names = (field.json_schema_extra or {}).get("enum")  # type: ignore[union-attr]  # ours are no callables
        kind = ", ".join(f"`{n}`" for n in names) if names else _kind(field.annotation)
        cells = (f"`{name}`", kind, f"`{_default(field.default)}`")
        text = (field.description or "").replace("|", "\\|")
        rows.append(f"| {' | '.join(cells)} | {text} |")
    return "\n".join(rows)


def _kind(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [_kind(a) for a in get_args(annotation) if a is not type(None)]
        return f"{' or '.join(kinds)}, or none"
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{a}`" for a in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "numbers"
    words = {int: "whole number", float: "number", bool: "yes or no", str: "text"}
    return words.get(annotation, str(annotation))


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{v:g}" for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_table(page: str) -> str:
    """``page`` with the table between its two markers brought up to date."""
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(settings_table())
