"""Roles: what the caller said of the data, with what an earlier reading found as the second word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gatework.errors import ConfigError, nearest

TASKS = ("classify", "regress", "tag")
KINDS = ("series", "wide", "rows", "text", "words", "events", "audio", "strokes", "images", "video")


@dataclass(frozen=True)
class Roles:
    """Keywords of ``read_sequences``.

    >>> Roles("regress").option("label")
    'target= (--target)'
    >>> Roles("tag", layout={"series": "unit"}).role("series")
    'unit'
    """

    task: str
    labels: Any = None
    need_labels: bool = True
    kind: str | None = None
    label: str | None = None
    text: str | None = None
    series: str | None = None
    time: str | None = None
    features: Sequence[str] = ()
    categorical: Sequence[str] = ()
    group: Any = None
    time_format: str | None = None
    skip_bad: bool = False
    layout: dict[str, Any] | None = field(default=None)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task: {self.task!r} is unknown. {nearest(self.task, TASKS)}")
        if self.kind is not None and self.kind not in KINDS:
            raise ConfigError(
                f"kind: {self.kind!r} is no kind of sequences. {nearest(self.kind, KINDS)}"
            )
        for name in ("features", "categorical"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))

    def keywords(self) -> dict[str, Any]:
        """All of it, to be handed on to another reader."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def but(self, **changed: Any) -> Roles:
        """The same with other words for some."""
        return replace(self, **changed)

    def role(self, name: str) -> Any:
        """What was said now, or else at the training; None or empty where neither."""
        given = getattr(self, name)
        if given or self.layout is None:
            return given
        return self.layout.get(name, given)

    @property
    def form(self) -> str | None:
        """Which reader made the sequences of the training; None when this is the training."""
        return None if self.layout is None else self.layout.get("form")

    @property
    def fixed(self) -> bool:
        """Whether a training has fixed the roles already."""
        return self.layout is not None

    def option(self, name: str) -> str:
        """Words for the keyword and the option of the command: a regressor calls its label a target."""
        if name == "label" and self.task == "regress":
            name = "target"
        return f"{name}= (--{name.replace('_', '-')})"

    def refuse_group(self, source: str, why: str) -> None:
        """Raise where a group column was asked for and there can be none."""
        if self.group is not None:
            raise ConfigError(f"{source}: {self.option('group')} names a column, and {why}.")
