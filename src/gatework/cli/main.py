"""``gatework``: finds the verb, imports only what it needs, turns errors into one message.

Exit codes: 0 done, 1 failed, 2 bad input or usage.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from gatework._version import __version__
from gatework.errors import GateworkError, GateworkWarning

# verb -> (module with `register`, one line for the help)
COMMANDS = {
    "fit": ("gatework.cli.fit", "Train a model on data and judge it: fit TASK DATA -o MODEL"),
    "predict": ("gatework.cli.predict", "Foretell what a saved model says of new data"),
    "evaluate": ("gatework.cli.evaluate", "Score a saved model on data that hold the truth"),
    "demo": ("gatework.cli.demo", "A task on real data, from table to report, in a minute or two"),
    "info": ("gatework.cli.info", "Versions, threads and the machine"),
}


def build_app(wanted: str | None) -> typer.Typer:
    """The application; of the verbs only ``wanted`` is imported, so that the help comes at once."""
    app = typer.Typer(
        name="gatework",
        help="LSTM networks made practical: from raw sequences to a trained, judged and served model.",
        no_args_is_help=True,
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


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; always ends with SystemExit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verb = next((a for a in arguments if not a.startswith("-")), None)
    debug = "--debug" in arguments
    warnings.simplefilter("always", GateworkWarning)
    warnings.showwarning = _show_warning
    try:
        build_app(verb)(args=arguments, prog_name="gatework")
    except GateworkError as error:
        if debug:
            raise
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("interrupted; nothing was written", 1)
    except BrokenPipeError:
        # The reader went away (head, less): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
    except MemoryError:
        fail(
            "out of memory: give less data at once, or a smaller batch_size, context or hidden_size",
            1,
        )
    except Exception as error:
        if debug:
            raise
        fail(
            f"unexpected {type(error).__name__}: {error}. This is a fault of Gatework; run again with --debug "
            "for the traceback and report it.",
            1,
        )
    sys.exit(0)


def fail(message: str, code: int) -> None:
    """One message on standard error, then the exit code."""
    print(f"gatework: {message}", file=sys.stderr)
    sys.exit(code)


def _show_warning(
    message: Warning | str, category: type[Warning], *rest: object, **named: object
) -> None:
    """Our warnings are a line; those of libraries say nothing to a user of the command."""
    if issubclass(category, GateworkWarning):
        print(f"gatework: note: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
