"""What is to be compared, checked before anything is read or trained."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gatework.cells import CELLS
from gatework.errors import ConfigError, nearest
from gatework.tasks.registry import config_class, task_class

DEFAULT_CELLS = ("feedforward", "rnn", "gru", "lstm")
REFERENCE = "lstm"  # whose size the others are given, where it takes part
DEFAULT_SECONDS = 60.0
MAX_SEEDS = 1000
FOREVER = 10**9
BUDGETS = ("parameters", "epochs", "time")


@dataclass(frozen=True)
class Budget:
    """What every cell gets the same of: ``parameters``, ``epochs`` or ``time``."""

    kind: str
    seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.seconds:g}s" if self.seconds is not None else self.kind


@dataclass(frozen=True)
class Plan:
    """The comparison that was asked for."""

    task: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: Budget
    contexts: tuple[int | None, ...]  # (None,) where the settings say it
    settings: dict[str, Any]
    roles: dict[str, Any]
    notices: tuple[
        str, ...
    ] = ()  # of cells that were left out, to be told before the first training

    @property
    def reference(self) -> str:
        """The cell whose size the others are given."""
        return REFERENCE if REFERENCE in self.cells else self.cells[0]


def make_plan(
    task: str,
    cells: str | Sequence[str] | None,
    seeds: int,
    budget: str,
    contexts: Sequence[int],
    keywords: dict[str, Any],
) -> Plan:
    """The plan, every part of it checked.

    Raises:
        ConfigError: a task, cell, setting or budget that does not exist or makes no sense.
    """
    estimator = task_class(task)
    fields = config_class(task).model_fields
    if "cell" not in fields:
        raise ConfigError(f"compare: the task {task!r} has one kind of network, and no `cell`.")
    settings = {k: v for k, v in keywords.items() if k in fields}
    roles = {k: v for k, v in keywords.items() if k not in fields}
    if "cell" in settings:
        raise ConfigError("compare: name the cells with `cells`, not `cell`.")
    known = estimator.role_defaults()
    for role in roles:
        if role not in known:
            raise ConfigError(
                f"compare: {task} has no role or setting {role!r}. {nearest(role, [*known, *fields])}"
            )
    config = estimator(**settings).config  # refuses what is out of range
    settings = {k: getattr(config, k) for k in settings}  # numbers in the place of text
    if type(seeds) is not int or not 1 <= seeds <= MAX_SEEDS:
        raise ConfigError(
            f"compare: seeds must be a whole number from 1 to {MAX_SEEDS}; got {seeds!r}. Three tell a "
            "first spread, five or more a good one."
        )
    asked = read_budget(budget)
    if asked.kind == "time" and "max_seconds" in settings:
        raise ConfigError(
            f"compare: the budget {asked} is the time of each training already; leave out max_seconds."
        )
    chosen = choose_cells(task, cells, settings)
    return Plan(
        task,
        chosen,
        tuple(range(config.seed, config.seed + seeds)),
        asked,
        _contexts(task, contexts, settings, fields),
        settings,
        roles,
        _left_out(task, cells, chosen, settings),
    )


def fitting_cells(task: str, settings: dict[str, Any]) -> list[str]:
    """Cells of the table that the task takes.

    >>> "lstm" in fitting_cells("forecast", {})
    True
    """
    estimator = task_class(task)
    fitting = []
    for name in CELLS:
        try:
            estimator(**{**settings, "cell": name})
        except ConfigError:
            continue
        fitting.append(name)
    return fitting


def choose_cells(
    task: str, cells: str | Sequence[str] | None, settings: dict[str, Any]
) -> tuple[str, ...]:
    """Names of cells: all there are for ``"all"``, a handful for None; commas or a list.

    >>> choose_cells("forecast", "lstm, gru", {})
    ('lstm', 'gru')
    """
    fitting = fitting_cells(task, settings)
    if cells is None:
        default = tuple(c for c in DEFAULT_CELLS if c in fitting)
        if not default:
            raise ConfigError(f"compare: {_reason(task, DEFAULT_CELLS[-1], settings)}")
        return default
    names = cells.split(",") if isinstance(cells, str) else [str(c) for c in cells]
    names = [name.strip() for name in names if name.strip()]
    if names == ["all"]:
        return tuple(fitting)
    if not names:
        raise ConfigError(f"compare: no cells are named. {nearest('', fitting)}")
    for name in names:
        if name not in CELLS:
            raise ConfigError(
                f"compare: there is no cell {name!r}. {nearest(name, [*fitting, 'all'])}"
            )
        if name not in fitting:
            if name in fitting_cells(task, {}):  # the settings are what it does not go with
                raise ConfigError(
                    f"compare: the cell {name!r} does not go with these options: "
                    f"{_reason(task, name, settings)} Leave out the option or the cell."
                )
            raise ConfigError(
                f"compare: {task} does not take the cell {name!r}. {nearest(name, fitting)}"
            )
    return tuple(dict.fromkeys(names))


def _reason(task: str, cell: str, settings: dict[str, Any]) -> str:
    """What fit says against the cell with these settings."""
    try:
        task_class(task)(**{**settings, "cell": cell})
    except ConfigError as error:
        words = str(error).removeprefix(f"{task_class(task).__name__}: settings: ")
        return words if words.endswith((".", "!", "?")) else words + "."
    return ""


def _left_out(
    task: str, cells: Any, chosen: tuple[str, ...], settings: dict[str, Any]
) -> tuple[str, ...]:
    """A line for each cell that nobody named and that the settings exclude."""
    if cells is None:
        meant: Sequence[str] = DEFAULT_CELLS
    elif cells in ("all", ["all"], ("all",)):
        meant = fitting_cells(task, {})
    else:
        return ()
    return tuple(
        f"left out: {cell}, which does not go with these options: {_reason(task, cell, settings)}"
        for cell in meant
        if cell not in chosen
    )


def read_budget(text: str) -> Budget:
    """A budget from its text.

    >>> str(read_budget("2min")), read_budget("parameters").kind
    ('120s', 'parameters')
    """
    if not isinstance(text, str):
        raise ConfigError(f"compare: budget must be text, such as 'parameters'; got {text!r}.")
    match = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e-?[0-9]+)?) ?(s|min|h)", text.strip())
    if match:
        seconds = float(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2]]
        if not 0 < seconds < math.inf:
            raise ConfigError(f"compare: a budget of {text} leaves no time to train. Give more.")
        return Budget("time", seconds)
    if text not in BUDGETS:
        raise ConfigError(
            f"compare: the budget {text!r} makes no sense. It is 'parameters', 'epochs', 'time' (which is "
            f"{DEFAULT_SECONDS:g}s for each training), or a time such as 60s, 5min or 1h."
        )
    return Budget(text, DEFAULT_SECONDS if text == "time" else None)


def run_settings(plan: Plan) -> dict[str, Any]:
    """Settings of every run that follow from the budget; those that the user gave stand."""
    if plan.budget.kind == "time":
        limits = {"max_epochs": FOREVER, "patience": FOREVER, "max_seconds": plan.budget.seconds}
    elif plan.budget.kind == "epochs":
        limits = {"patience": FOREVER}
    else:
        limits = {}
    return {**limits, **plan.settings}


def _contexts(
    task: str, contexts: Sequence[int], settings: dict[str, Any], fields: Any
) -> tuple[int | None, ...]:
    if not contexts:
        return (None,)
    if "context" not in fields:
        raise ConfigError(f"compare: {task} has no context, so `contexts` means nothing here.")
    if "context" in settings:
        raise ConfigError("compare: give `context` or `contexts`, not both.")
    for context in contexts:
        task_class(task)(**{**settings, "context": context})  # refuses what is out of range
    return tuple(sorted({int(c) for c in contexts}))
