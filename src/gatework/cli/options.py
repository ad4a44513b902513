"""Options of the command made from a task's config, so that each setting is described once."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Container
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from gatework.errors import ConfigError
from gatework.train.config import TrainConfig

TRAINING = "Training"
MODEL = "Model"
MAX_SHOWN = 2  # choices that stand beside an option; more would leave its help no room
_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def with_config_options(
    config: type[TrainConfig], command: Callable[..., None], *, without: Container[str] = ()
) -> Callable[..., None]:
    """``command(..., settings)`` with an option for each field of ``config`` in place of ``settings``.

    There is none for the fields in ``without``.  A setting that the user did not give is not in
    ``settings``.  Values stay text: the config reads them, so that a wrong one gets the same message
    here as in Python.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [
        p.replace(annotation=hints[p.name])
        for p in inspect.signature(command).parameters.values()
        if p.name != "settings"
    ]
    options = [
        _option(name, field, name in TrainConfig.model_fields)
        for name, field in config.model_fields.items()
        if name not in without
    ]

    def run(**arguments: Any) -> None:
        settings = {
            p.name: _value(config.model_fields[p.name], arguments.pop(p.name)) for p in options
        }
        given = {k: v for k, v in settings.items() if v is not None}
        command(**arguments, settings=given)

    run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
    run.__doc__ = command.__doc__
    return run


def whole_number(option: str, text: str, lowest: int, highest: int) -> int:
    """The number that an option's text says.

    >>> whole_number("--threads", "two", 1, 256)
    Traceback (most recent call last):
        ...
    gatework.errors.ConfigError: --threads: must be a whole number from 1 to 256; got 'two'.
    """
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if not lowest <= number <= highest:
        raise ConfigError(
            f"{option}: must be a whole number from {lowest} to {highest}; got {text!r}."
        )
    return number


def _option(name: str, field: FieldInfo, training: bool) -> inspect.Parameter:
    kind = _plain_type(field.annotation)
    choices, listed = _choices(field), ""
    if len(choices) > MAX_SHOWN:
        choices, listed = ["NAME"], f" One of {', '.join(choices)}."
    flag = "--" + name.replace("_", "-")
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        help=f"{field.description or ''}{listed}{_default(field.default)}",
        metavar=None if kind is bool else "|".join(choices) or _METAVARS[kind],
        show_default=False,
        rich_help_panel=TRAINING if training else MODEL,
    )
    given = bool if kind is bool else str
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[given | None, option],
    )


def _default(default: Any) -> str:
    """Words such as " (default: 24)"; in brackets they would be taken for markup and vanish."""
    if default is None:
        return ""  # the description says how it is found
    shown = ",".join(f"{v:g}" for v in default) if isinstance(default, tuple) else default
    return f" (default: {shown})"


def _plain_type(annotation: Any) -> type:
    """int, float, bool; text for everything else."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    return annotation if annotation in (int, float, bool) else str


def _choices(field: FieldInfo) -> list[str]:
    """The values that a field allows, by its type or its schema; empty where they are no list."""
    if get_origin(field.annotation) is Literal:
        return [str(a) for a in get_args(field.annotation)]
    extra = field.json_schema_extra
    names = extra.get("enum", []) if isinstance(extra, dict) else []
    return [str(name) for name in names] if isinstance(names, list) else []


def _value(field: FieldInfo, given: Any) -> Any:
    """The option's text as the config takes it: a comma-separated list for a tuple."""
    if isinstance(given, str) and get_origin(field.annotation) is tuple:
        return [part.strip() for part in given.split(",")]
    return given
