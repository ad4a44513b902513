"""``gatework``: finds the verb, imports only what it needs, turns errors into one message.

Exit codes: 0 done, 1 failed, 2 bad input or usage.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from gatework._version import __version__
from gatework.errors import GateworkError, GateworkWarning

# verb -> (module with `register`, one line for the help)
COMMANDS = {
    "fit": ("gatework.cli.fit", "Train a model on data and judge it: fit TASK DATA -o MODEL"),
    "predict": ("gatework.cli.predict", "Foretell what a saved model says of new data"),
    "evaluate": ("gatework.cli.evaluate", "Score a saved model on data that hold the truth"),
    "watch": ("gatework.cli.watch", "Rows as they come, alarms as they begin: watch MODEL [FILE]"),
    "inspect": (
        "gatework.cli.inspect",
        "Look inside a model: gates, memory, gradients, what counts",
    ),
    "compare": (
        "gatework.cli.compare",
        "Cells side by side on your data: compare TASK DATA -o PAGE",
    ),
    "demo": ("gatework.cli.demo", "A task on real data, from table to report, in a minute or two"),
    "bench": ("gatework.cli.bench", "Torch and Gatework side by side on this machine, in a minute"),
    "cells": ("gatework.cli.cells", "The cells that a network can have, and what sets each apart"),
    "info": ("gatework.cli.info", "Versions, threads and the machine"),
}
# what cannot run as it is, so that its help is the answer
_BARE: tuple[list[str], ...] = ([], ["fit"], ["compare"])


def build_app(wanted: str | None) -> typer.Typer:
    """The application; of the verbs only ``wanted`` is imported, so that the help comes at once."""
    app = typer.Typer(
        name="gatework",
        help="LSTM networks made practical: from raw sequences to a trained, judged and served model.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
        ] = False,
    ) -> None:
        pass

    for name, (module, line) in COMMANDS.items():
        if name == wanted:
            importlib.import_module(module).register(app, line)
        else:
            app.command(name, help=line)(_stub)
    return app


def _stub() -> None:
    """Stands for a verb in the help; never runs."""


def _version(asked: bool) -> None:
    if asked:
        print(f"gatework {__version__}")
        raise typer.Exit


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command; always ends with SystemExit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without Unicode shows ? and goes on
            stream.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("always", GateworkWarning)
        warnings.showwarning = _no_warning if "--quiet" in arguments else _show_warning
        try:
            if arguments in _BARE:
                _print_help(arguments)
                sys.exit(2)
            _run(arguments)
        except GateworkError as error:
            if debug:
                raise
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            fail("interrupted; nothing was written", 1)
        except BrokenPipeError:
            _forget_stdout()  # the reader went away (head, less): nothing is wrong
        except MemoryError:
            fail(
                "out of memory: give less data at once, or a smaller batch_size, context or "
                "hidden_size",
                1,
            )
        except Exception as error:
            if debug:
                raise
            fail(_words_for(error), 2 if isinstance(error, OSError) else 1)
    sys.exit(0)


def _run(arguments: list[str]) -> None:
    """Parse and run, every exception as it was raised: typer's own ``main`` would print and exit."""
    verb = next((a for a in arguments if not a.startswith("-")), None)
    command = typer.main.get_command(build_app(verb))
    try:
        with command.make_context("gatework", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as ended:
        if ended.exit_code:
            sys.exit(ended.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        # typer brings its own copy of click or uses the installed one, so no class to name here.
        if not hasattr(error, "format_message"):
            raise
        fail(_usage(error), 2)
    if sys.stdout is not None:
        sys.stdout.flush()  # here, where a full disk or a reader that went away still gets its words


def _print_help(arguments: list[str]) -> None:
    """The help of a command that was given no arguments, where errors go."""
    with contextlib.redirect_stdout(sys.stderr):
        _run([*arguments, "--help"])


def _usage(error: Exception) -> str:
    """One sentence for a wrong option or argument, and where the right ones are listed."""
    message = str(error.format_message()).strip()  # type: ignore[attr-defined]
    message = message[:1].lower() + message[1:] + ("" if message[-1:] in ".?!" else ".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gatework"
    return f"{message} `{path} --help` says what there is."


def _words_for(error: Exception) -> str:
    if isinstance(error, OSError):
        reason = (error.strerror or str(error)).lower()
        if error.filename is None:
            return f"the output cannot be written: {reason}."
        return f"{error.filename}: {reason}. Check the path and its permissions."
    return (
        f"unexpected {type(error).__name__}: {error}. This is a fault of Gatework; run again with "
        "--debug for the traceback and report it."
    )


def _forget_stdout() -> None:
    """Let what is still to be written go nowhere, so that the end of Python does not fail on it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def fail(message: str, code: int) -> NoReturn:
    """One message on standard error, then the exit code."""
    if sys.stderr is not None:
        with contextlib.suppress(BrokenPipeError):
            print(f"gatework: {message}", file=sys.stderr, flush=True)
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError:
            _forget_stdout()
    sys.exit(code)


def _show_warning(
    message: Warning | str, category: type[Warning], *rest: object, **named: object
) -> None:
    """Our warnings are a line; those of libraries say nothing to a user of the command."""
    if issubclass(category, GateworkWarning):
        print(f"gatework: note: {message}", file=sys.stderr)


def _no_warning(*rest: object, **named: object) -> None:
    """With --quiet, nothing."""


if __name__ == "__main__":
    main()
