"""Options of the command made from a task's config, so that each setting is described once."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from gatework.train.config import TrainConfig

TRAINING = "Training"
MODEL = "Model"


def with_config_options(
    config: type[TrainConfig], command: Callable[..., None]
) -> Callable[..., None]:
    """``command(..., settings)`` with an option for each field of ``config`` in place of ``settings``.

    A setting that the user did not give is not in ``settings``.
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


def _option(name: str, field: FieldInfo, training: bool) -> inspect.Parameter:
    kind = _plain_type(field.annotation)
    default = field.default
    if isinstance(default, tuple):
        shown = ",".join(f"{v:g}" for v in default)
    else:
        shown = "found from the data" if default is None else str(default)
    text = field.description or ""
    choices = _choices(field.annotation)
    if choices:
        text += " One of " + ", ".join(choices) + "."
    flag = "--" + name.replace("_", "-")
    declaration = f"{flag}/--no-{flag[2:]}" if kind is bool else flag
    option = typer.Option(
        declaration,
        help=f"{text} [default: {shown}]",
        show_default=False,
        rich_help_panel=TRAINING if training else MODEL,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _plain_type(annotation: Any) -> type:
    """What the command line parses: int, float, bool; text for everything else, left to the config."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    return annotation if annotation in (int, float, bool) else str


def _choices(annotation: Any) -> list[str]:
    return [str(a) for a in get_args(annotation)] if get_origin(annotation) is Literal else []


def _value(field: FieldInfo, given: Any) -> Any:
    """The option's text as the config takes it: a comma-separated list for a tuple."""
    if isinstance(given, str) and get_origin(field.annotation) is tuple:
        return [part.strip() for part in given.split(",")]
    return given
