"""Documentation that is run: every snippet, link, file name, setting and verb in it, and the import rule.

How a page is run, block by block and top to bottom, in a temporary folder and one name space:

    <!-- setup ... -->    Python that the reader does not see: small tables for the blocks that follow
    ```python             executed
    ```console            each line `$ gatework ...` is executed in this process; other lines are shown only;
                          the info string `console exit=2` says which exit code is right (default 0)
    ```output             lines that the block before must have printed, in this order; `...` stands for
                          anything, in a line or as a line
    ```text and others    not run

A fit in a snippet that does not name them gets max_epochs=1, hidden_size=8 and short passes, so that a page
shows what a person would type and still runs in seconds.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import gatework.tasks.forecast as forecast_task
from gatework.cli.main import COMMANDS, build_app, main
from gatework.errors import GateworkWarning
from gatework.tasks import detect_objective, labelled_objective
from gatework.tasks.base import Task
from gatework.tasks.registry import TASKS, config_class

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "gatework"
GUIDE = ROOT / "docs" / "forecast.md"
GUIDES = (GUIDE, ROOT / "docs" / "sequences.md", ROOT / "docs" / "detect.md")
RUN = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if p.is_file()]
LINKED = [*RUN, *(p for n in ("CONTRIBUTING", "CHANGELOG") if (p := ROOT / f"{n}.md").is_file())]
EVERY_RUN = pytest.mark.parametrize("page", RUN, ids=lambda p: p.name)
EVERY_LINKED = pytest.mark.parametrize("page", LINKED, ids=lambda p: p.name)

# ---- running a page -----------------------------------------------------------------------------------

_BLOCK = re.compile(
    r"^<!-- setup[ \t]*\n(?P<setup>.*?)^-->"
    r"|^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block or a hidden set-up."""

    kind: str
    info: str
    text: str
    line: int  # of its first line of content, from 1


def blocks_of(page: str) -> list[Block]:
    found = []
    for match in _BLOCK.finditer(page):
        hidden = match["setup"] is not None
        info = "setup" if hidden else match["info"].strip()
        start = match.start("setup" if hidden else "body")
        text = match["setup"] if hidden else match["body"]
        kind = info.split(maxsplit=1)[0] if info else ""
        found.append(Block(kind, info, text, page.count("\n", 0, start) + 1))
    return found


class WrongPageError(AssertionError):
    """A block does not do what the page says; the message names page and line."""


def run_page(text: str, name: str) -> int:
    """Run every block of a page in the present folder; the number of python blocks and commands run.

    Raises WrongPageError for the first that fails, ends with another exit code, or prints something else.
    """
    names: dict[str, Any] = {"__name__": "snippet"}
    printed, count = "", 0
    for block in blocks_of(text):
        where = f"{name}, line {block.line}"
        if block.kind in ("setup", "python"):
            printed = _run_python(block, where, names)
            count += block.kind == "python"
        elif block.kind == "console":
            wanted = int(found[1]) if (found := re.search(r"exit=(\d+)", block.info)) else 0
            commands = [x[2:] for x in block.text.splitlines() if x.startswith("$ gatework")]
            printed = "".join(_run_command(c, where, wanted) for c in commands)
            count += len(commands)
        elif block.kind == "output":
            _check_output(block.text, printed, where)
    return count


def _run_python(block: Block, where: str, names: dict[str, Any]) -> str:
    code = "\n" * (block.line - 1) + block.text
    with _captured() as out:
        try:
            exec(compile(code, where, "exec"), names)
        except (Exception, SystemExit):
            raise WrongPageError(
                f"{where}: {traceback.format_exc(limit=-2)}\n{out.getvalue()}"
            ) from None
    return out.getvalue()


def _run_command(line: str, where: str, wanted: int) -> str:
    arguments = shlex.split(line, comments=True)[1:]
    with _captured() as out:
        try:
            main(arguments)
            code = 0
        except SystemExit as ended:
            code = 0 if ended.code is None else ended.code
    if code != wanted:
        raise WrongPageError(f"{where}: `{line}` ended with {code}, not {wanted}\n{out.getvalue()}")
    return out.getvalue()


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("always", GateworkWarning)
        yield out


def _check_output(expected: str, printed: str, where: str) -> None:
    lines = [" ".join(x.split()) for x in printed.splitlines()]
    for line in expected.splitlines():
        words = " ".join(line.split())
        if words in ("", "..."):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in words.split("...")))
        at = next((i for i, x in enumerate(lines) if pattern.fullmatch(x)), None)
        if at is None:
            raise WrongPageError(f"{where}: not printed, or not in this order: {line!r}\n{printed}")
        lines = lines[at + 1 :]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fits of a second, in a folder of their own."""
    init = Task.__init__

    def small(self: Any, **settings: Any) -> None:
        init(self, **{"max_epochs": 1, "hidden_size": 8, **settings})

    monkeypatch.setattr(Task, "__init__", small)
    monkeypatch.setattr(forecast_task, "MIN_EPOCH_STEPS", 5)
    monkeypatch.setattr(labelled_objective, "MIN_EPOCH_STEPS", 2)
    monkeypatch.setattr(detect_objective, "MIN_EPOCH_STEPS", 20)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)


@EVERY_RUN
@pytest.mark.usefixtures("quick")
def test_every_snippet_runs(page: Path) -> None:
    count = run_page(page.read_text(encoding="utf-8"), page.name)
    assert count or page.name in ("README.md", "design.md", "dependencies.md", "index.md")


@pytest.mark.usefixtures("quick")
class TestTheRunner:
    """The checker sees red where it should."""

    @pytest.mark.parametrize(
        ("page", "message"),
        [
            ("```python\nx = 1\n1 / 0\n```", "line 2: .*ZeroDivisionError"),
            ("```console\n$ gatework predict no-such-folder x.csv\n```", "ended with 2, not 0"),
            ("```console exit=1\n$ gatework --version\n```", "ended with 0, not 1"),
            ("```python\nprint('a')\nprint('b')\n```\n```output\nb\na\n```", "not in this order"),
            ("```python\nprint('abc')\n```\n```output\na...d\n```", "not printed"),
            ("<!-- setup\nraise ValueError('s')\n-->", "ValueError: s"),
        ],
    )
    def test_a_wrong_page_fails(self, page: str, message: str) -> None:
        with pytest.raises(WrongPageError, match=re.compile(message, re.DOTALL)):
            run_page(page, "page.md")

    def test_blocks_share_names_and_run_in_order(self) -> None:
        page = (
            "<!-- setup\nx = 1\n-->\n```text\nnonsense(\n```\n```python\nprint(x + 1)\n```\n"
            "```output\n2\n```\n````python\ny = '''\n```\n'''\n````\n```console\n$ ls\n```\n"
        )
        assert run_page(page, "page.md") == 2


# ---- what a page names exists -------------------------------------------------------------------------


def prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Headings as GitHub spells them in links."""
    heads = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower().replace("`", "")).replace(" ", "-") for h in heads}


@EVERY_LINKED
def test_internal_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)", prose(page))
    targets += re.findall(r"(?:src|href)=\"([^\"]+)\"", prose(page))
    broken = []
    for target in targets:
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


@EVERY_LINKED
def test_files_that_a_page_names_exist(page: Path) -> None:
    known = {p.name for p in ROOT.glob("*")} | {p.name for p in SOURCE.glob("*")}
    text = page.read_text(encoding="utf-8")
    words = re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?|[\w-]+\.py)`", text)
    trees = [b.text for b in blocks_of(text) if b.kind == "text"]
    words += [w for t in trees for w in re.findall(r"[\w/]+\.py\b", t)]
    missing = []
    for word in words:
        if "/" not in word:
            present = any(ROOT.glob(f"[!.]*/**/{word}"))
        elif word.split("/")[0] in known:
            present = (ROOT / word).exists() or (SOURCE / word).exists()
        else:
            continue  # a path of the reader's, not of the project
        if not present:
            missing.append(word)
    assert not missing


# ---- settings and verbs -------------------------------------------------------------------------------


def settings_script() -> ModuleType:
    path = ROOT / "scripts" / "settings_table.py"
    spec = importlib.util.spec_from_file_location("settings_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.name)
def test_the_settings_table_is_the_configs(guide: Path) -> None:
    page, script = guide.read_text(encoding="utf-8"), settings_script()
    assert script.with_tables(page) == page, "run: python scripts/settings_table.py --write"
    rows = "\n".join(m[0] for m in script.BETWEEN.finditer(page))
    asked = {n for config in script.PAGES[guide] for n in config.model_fields}
    assert not {name for name in asked if f"| `{name}` |" not in rows}


def test_every_task_has_a_settings_table() -> None:
    shown = {c for configs in settings_script().PAGES.values() for c in configs}
    assert shown == {config_class(task) for task in TASKS}


def options(command: Any) -> set[str]:
    return {o for p in command.params for o in p.opts if o.startswith("--")} - {"--help"}


def described(verb: str, task: str | None = None) -> str:
    """What the command references of the guides say of a verb, or of it for a task."""
    found = []
    for guide in GUIDES:
        reference = prose(guide).split("## Command reference", 1)[1].split("\n## ", 1)[0]
        for section in re.split(r"^### ", reference, flags=re.MULTILINE)[1:]:
            heading = re.match(r"`gatework (\w+)(?: ([\w|]+))?", section)
            assert heading, f"{guide.name}: {section[:60]!r} names no verb"
            if heading[1] == verb and (task is None or task in (heading[2] or "").split("|")):
                found.append(section)
    return "\n".join(found)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_and_option_is_documented(verb: str) -> None:
    command: Any = typer.main.get_command(build_app(verb))
    command = command.commands[verb]
    for task, own in getattr(command, "commands", {None: command}).items():
        text = described(verb, task)
        assert text, f"no section `gatework {verb} {task or '…'}` in a command reference"
        settings = set(config_class(task).model_fields) if task else set()
        asked = options(own) - {f"--{name.replace('_', '-')}" for name in settings}
        assert not {o for o in asked if f"`{o}" not in text}, (verb, task)


# ---- imports point one way ----------------------------------------------------------------------------

# part of the package -> the parts that it may import besides itself, lowest first
MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "errors": set(),
    "files": {"errors"},
    "levels": set(),
    "cells": set(),
    "model_files": {"_version", "errors", "files"},
    "data": {"errors", "files"},
    "_engine": set(),  # compiled
    "engine_module": {"_engine", "errors"},
    "runtime": {"engine_module", "errors", "levels", "cells"},
    "nn": {"engine_module", "levels", "errors", "cells", "runtime"},
    "train": {"errors", "files", "cells", "data", "nn"},
    "report": {"_version", "errors", "files", "cells", "data", "nn", "train"},
    "tasks": {
        "cells",
        "levels",
        "_version",
        "errors",
        "files",
        "model_files",
        "data",
        "runtime",
        "nn",
        "train",
        "report",
    },
    "insight": {"_version", "errors", "cells", "data", "nn", "train", "report", "tasks"},
    "comparison": {"_version", "cells", "errors", "files", "tasks", "train", "report"},
    "bench": {"engine_module", "errors", "cells", "nn", "runtime"},
    "cli": {
        "_version",
        "cells",
        "errors",
        "files",
        "model_files",
        "data",
        "nn",
        "train",
        "report",
        "tasks",
        "insight",
        "comparison",
        "bench",
    },
}
# docs/design.md says why
EXCEPTIONS = {
    ("nn/horizon.py", "gatework.data.windows"),
    ("nn/sequence.py", "gatework.data.encoders.base"),
}


def imports_of(code: str) -> set[str]:
    """Modules of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            module = node.module or ""
            found |= (
                {f"gatework.{a.name}" for a in node.names} if module == "gatework" else {module}
            )
    return {m for m in found if m.split(".")[0] == "gatework"}


def upward(path: str, code: str) -> list[str]:
    """Imports of the file ``path`` (below the package) that point the wrong way."""
    part = path.split("/")[0].removesuffix(".py")
    allowed = MAY_IMPORT[part] | {part}
    return [
        module
        for module in sorted(imports_of(code))
        if (path, module) not in EXCEPTIONS
        and (len(names := module.split(".")) < 2 or names[1] not in allowed)
    ]


def test_imports_point_one_way() -> None:
    wrong = []
    for file in sorted(SOURCE.rglob("*.py")):
        path = file.relative_to(SOURCE).as_posix()
        if path != "__init__.py":  # the public names, imported when asked for
            found = upward(path, file.read_text(encoding="utf-8"))
            wrong += [f"{path} imports {module}" for module in found]
    assert not wrong


def test_the_import_rule_sees_an_upward_import() -> None:
    assert upward("nn/x.py", "def f():\n    from gatework.tasks.base import Task\n")
    assert upward("errors.py", "import gatework.files")
    assert upward("data/x.py", "from gatework import Forecaster")
    assert not upward("data/x.py", "import numpy\nfrom gatework.data.table import Table\n")
    reachable: set[str] = set()
    for part, lower in MAY_IMPORT.items():  # the table itself has no circle
        assert lower <= reachable
        reachable.add(part)


# ---- nothing of one machine ---------------------------------------------------------------------------

_MACHINE = re.compile(r"(?<![\w.:/-])/(?:home|Users|root|work|mnt)/\w|\b[A-Z]:\\Users\\")


def project_files() -> Iterator[Path]:
    made = {"dist", "build", "demo", "model", "runs", "__pycache__"}
    for file in ROOT.rglob("*"):
        first, *rest = file.relative_to(ROOT).parts
        hidden = first.startswith(".") and first not in (".ci", ".gitignore")
        usable = not hidden and not made & {first, *rest} and file.is_file()
        if usable and file.stat().st_size < 2**20:
            yield file


def test_no_file_names_a_place_on_one_machine() -> None:
    named = []
    for file in project_files():
        with contextlib.suppress(UnicodeDecodeError):
            text = file.read_text(encoding="utf-8")
            named += [f"{file.relative_to(ROOT)}: {m[0]}" for m in _MACHINE.finditer(text)]
    assert not named
    assert sys.executable not in GUIDE.read_text(encoding="utf-8")


def test_the_search_for_places_finds_one() -> None:
    assert _MACHINE.search("see " + "/".join(["", "home", "ada", "data.csv"]))
    assert not _MACHINE.search("https://example.org/home/page and data/home/x")
