"""Numbers, spans and times as a person says them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

NONE = "–"
NBSP = "\u00a0"
MINUS = "\u2212"

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(?::00(?:\.0+)?)?(.*)", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?")


def number(value: float | None, digits: int = 4) -> str:
    r"""A number with about ``digits`` significant digits.

    >>> [number(v) for v in (1.17611, 0.0123456, 23456.7, -2, 0, 1.2e-7, None)]
    ['1.176', '0.01235', '23,457', '−2', '0', '1.2\xa0×\xa010^−7', '–']
    """
    if value is None:
        return NONE
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e9):
        head, _, power = f"{value:.{digits - 1}e}".partition("e")
        head = head.rstrip("0").rstrip(".")
        text = f"{head}{NBSP}×{NBSP}10^{int(power)}"
    elif size >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", MINUS)


def column(values: Sequence[float | None], digits: int = 4) -> list[str]:
    """Numbers to stand below each other: one count of decimals, that the largest needs.

    >>> column([2.56, 12.3456, None, 0.5])
    ['2.56', '12.35', '–', '0.50']
    """
    largest = max((abs(v) for v in values if v is not None), default=0.0)
    if not 1e-4 <= largest < 1e9:
        return [number(v, digits) for v in values]
    decimals = max(0, digits - 1 - math.floor(math.log10(largest)))
    return [NONE if v is None else f"{v:,.{decimals}f}".replace("-", MINUS) for v in values]


def count(value: float | None, noun: str = "") -> str:
    """A whole number with its noun: ``1 window``, ``2,857 windows``."""
    if value is None:
        return NONE
    words = f"{value:,.0f}"
    return f"{words} {noun}{'' if round(value) == 1 else 's'}" if noun else words


def epochs(value: int) -> str:
    """``1 epoch``, ``8 epochs``."""
    return f"{value:,} epoch{'' if value == 1 else 's'}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percent: ``0.9781`` is ``97.8 %``."""
    if share is None:
        return NONE
    return f"{100 * share:.{digits}f}{NBSP}%".replace("-", MINUS)


def level(percents: float) -> str:
    """The width of a band: ``90 %``."""
    return f"{percents:g}{NBSP}%"


def comparison(skill: float | None) -> str:
    """What a skill score says: ``9 % smaller`` error than the other's, or ``4 % larger``.

    >>> comparison(0.0906), comparison(-0.04), comparison(0.001)
    ('9\\xa0% smaller', '4\\xa0% larger', '0.1\\xa0% smaller')
    """
    if skill is None:
        return NONE
    size = abs(skill)
    if size < 0.0005:
        return "equal"
    return f"{percent(size, 0 if size >= 0.01 else 1)} {'smaller' if skill > 0 else 'larger'}"


def duration(seconds: float | None) -> str:
    """A time span: ``3.7 s``, ``2 min 14 s``, ``1 h 5 min``."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{number(1000 * seconds, 2)} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def steps(number_of_steps: int, frequency: str | None) -> str:
    """Steps of a frequency as time.

    >>> steps(24, "1 hour"), steps(96, "15 minutes"), steps(26, "1 week")
    ('24 hours (1 day)', '96 steps of 15 minutes (1 day)', '26 weeks (about 6 months)')
    >>> steps(1, "1 day"), steps(12, "1 step"), steps(5, None), steps(24, "1 month")
    ('1 day', '12 steps', '5 steps', '24 months (2 years)')
    """
    plural = "" if number_of_steps == 1 else "s"
    match = re.fullmatch(r"(\d+) (.+?)s?", frequency or "")
    if match is None:
        return f"{number_of_steps:,} step{plural}"
    size, unit = int(match[1]), match[2]
    said = f"{number_of_steps:,} {unit}{plural}"
    if size > 1:
        said = f"{number_of_steps:,} step{plural} of {frequency}"
    total = number_of_steps * size
    rounder = None
    if unit == "month" and total % 12 == 0:
        rounder = _some(total // 12, "year")
    elif unit in _SECONDS:
        rounder = _rounder(total * _SECONDS[unit], unit)
    return f"{said} ({rounder})" if rounder and rounder != said else said


def _rounder(seconds: int, unit: str) -> str | None:
    """The span in a larger unit where that is shorter to say."""
    days = seconds / 86_400
    if unit in ("day", "week") and days >= 60:
        months = round(days / 30.44)
        return f"about {_some(round(days / 365.25), 'year') if months % 12 == 0 else _some(months, 'month')}"
    larger = [u for u, s in _SECONDS.items() if s > _SECONDS[unit] and seconds % s == 0]
    return _some(seconds // _SECONDS[larger[-1]], larger[-1]) if larger else None


def _some(value: int, unit: str) -> str:
    return f"{value:,} {unit}{'' if value == 1 else 's'}"


def moment(stamp: str | None) -> str:
    """A timestamp without seconds that are zero: ``2017-10-24 00:00``."""
    if not stamp:
        return NONE
    match = _STAMP.fullmatch(stamp)
    return f"{match[1]} {match[2]}{match[3]}" if match else stamp


def is_moment(stamp: str) -> bool:
    """Whether the text is a date or date and time that an axis can place."""
    return _DATE.fullmatch(stamp) is not None


def listing(words: list[str], most: int = 6) -> str:
    """Words in a row: ``a, b and c``; those past ``most`` are counted."""
    if len(words) > most:
        return ", ".join(words[:most]) + f" and {len(words) - most} more"
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]
