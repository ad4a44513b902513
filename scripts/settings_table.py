"""Print the tables of settings in the guides of docs/, made from the tasks' configs.

python scripts/settings_table.py            prints the tables
python scripts/settings_table.py --write    puts each into its page, between its two markers
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from gatework.tasks.detect_config import DetectConfig
from gatework.tasks.forecast_config import ForecastConfig
from gatework.tasks.labelled_config import (
    ClassifyConfig,
    LabelledConfig,
    RegressConfig,
    TagConfig,
)
from gatework.train.config import TrainConfig

DOCS = Path(__file__).parents[1] / "docs"
# page -> the configs whose fields it has to hold
PAGES: dict[Path, tuple[type[TrainConfig], ...]] = {
    DOCS / "forecast.md": (ForecastConfig,),
    DOCS / "sequences.md": (ClassifyConfig, RegressConfig, TagConfig),
    DOCS / "detect.md": (DetectConfig,),
}
BETWEEN = re.compile(
    r"(?P<begin><!-- settings(?: of (?P<name>[\w ]+))?: made by scripts/settings_table\.py -->\n)"
    r".*?(?P<end><!-- end of settings -->)",
    re.DOTALL,
)


def fields_of(name: str | None) -> Iterable[tuple[str, FieldInfo]]:
    """Names and fields of a table: of ``forecast`` (None), ``detect``, ``all three``, or a task's own."""
    if name is None:
        return ForecastConfig.model_fields.items()
    if name == "detect":
        return DetectConfig.model_fields.items()
    shared = LabelledConfig.model_fields
    if name == "all three":
        return shared.items()
    configs = {"classify": ClassifyConfig, "regress": RegressConfig, "tag": TagConfig}
    own = configs[name].model_fields
    return [(n, f) for n, f in own.items() if n not in shared or _row(n, f) != _row(n, shared[n])]


def settings_table(name: str | None = None) -> str:
    """Markdown table with a row per field: name, type, default, what it is."""
    rows = ["| setting | type | default | what it is |", "|---|---|---|---|"]
    return "\n".join([*rows, *(_row(name, field) for name, field in fields_of(name))])


def _row(name: str, field: FieldInfo) -> str:
    names = (field.json_schema_extra or {}).get("enum")  # type: ignore[union-attr]  # ours are no callables
    kind = ", ".join(f"`{n}`" for n in names) if names else _kind(field.annotation)
    cells = (f"`{name}`", kind, f"`{_default(field.default)}`")
    text = (field.description or "").replace("|", "\\|")
    return f"| {' | '.join(cells)} | {text} |"


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


def with_tables(page: str) -> str:
    """``page`` with every table between its two markers brought up to date."""
    return BETWEEN.sub(lambda m: f"{m['begin']}{settings_table(m['name'])}\n{m['end']}", page)


if __name__ == "__main__":
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        if sys.argv[1:] == ["--write"]:
            path.write_text(with_tables(text), encoding="utf-8")
        else:
            print(*(settings_table(m["name"]) for m in BETWEEN.finditer(text)), sep="\n\n")
