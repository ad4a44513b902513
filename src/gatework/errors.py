"""Every exception that Gatework raises on purpose, drawn as one tree.

    GateworkError                 exit code 1 on the command line
    ├── InputError                exit code 2: the user's data or settings; also a ValueError
    │   ├── DataError             a table, a column, a row, a value
    │   ├── ConfigError           a setting or an option
    │   └── ModelFileError        a saved model that cannot be read
    ├── OutputError               a result that cannot be written where it was asked for; exit code 2
    ├── NotFittedError            predict, evaluate, save or stream before fit
    ├── DivergenceError           training that no lower learning rate could save
    └── MissingDependencyError    an optional package that is not installed

A message says what is wrong, where (file, row, column, value), and what to do next.  It is complete
in itself: the command prints it alone, without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GateworkError(Exception):
    """Base of every error that Gatework raises on purpose."""

    exit_code = 1


class InputError(GateworkError, ValueError):
    """The user's data, settings or model folder cannot be used as they are."""

    exit_code = 2


class DataError(InputError):
    """A table, column, row or value is not usable."""


class ConfigError(InputError):
    """A setting is unknown, out of range or contradicts another."""


class ModelFileError(InputError):
    """A saved model is absent, damaged, or written by a version that this one does not understand."""


class NotFittedError(GateworkError):
    """The estimator was asked for a result before ``fit``."""


class OutputError(GateworkError):
    """A result could not be written; what was there before is unchanged."""

    exit_code = 2


class DivergenceError(GateworkError):
    """Training diverged and lowering the learning rate did not help."""


class MissingDependencyError(GateworkError):
    """An optional package is needed for what was asked."""


class GateworkWarning(UserWarning):
    """Something the user should know that does not stop the work."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Sentence that offers the names closest to ``name``, or all of them when none is close.

    >>> nearest("temprature", ["temperature", "load"])
    "Did you mean 'temperature'?"
    >>> nearest("LOD", ["temperature", "load"])
    "Did you mean 'load'?"
    >>> nearest("x", ["temperature", "load"])
    "There are: 'temperature', 'load'."
    """
    allowed = list(allowed)
    folded = {a.casefold(): a for a in allowed}
    close = [folded[c] for c in get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if close:
        return "Did you mean " + " or ".join(repr(c) for c in close) + "?"
    if not allowed:
        return "There are none."
    shown = ", ".join(repr(a) for a in allowed[:12])
    more = f" and {len(allowed) - 12} more" if len(allowed) > 12 else ""
    return f"There are: {shown}{more}."
