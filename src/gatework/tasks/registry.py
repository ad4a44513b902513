"""The one table of tasks, which the command, the tests and ``gatework.load`` read."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from gatework.errors import ConfigError, ModelFileError, nearest
from gatework.model_files import read_model

# task -> (module, class, one line)
TASKS = {
    "forecast": (
        "gatework.tasks.forecast",
        "Forecaster",
        "what comes next in a table of measurements",
    ),
}


def task_class(name: str) -> Any:
    """The estimator class of a task; ConfigError with the nearest names when there is none."""
    if name not in TASKS:
        raise ConfigError(f"there is no task {name!r}. {nearest(name, TASKS)}")
    module, cls, _ = TASKS[name]
    return getattr(importlib.import_module(module), cls)


def load(path: str | Path) -> Any:
    """The model saved at ``path``, whatever its task.

    Raises:
        ModelFileError: no model, a damaged one, or a task that this version does not know.
    """
    task = read_model(Path(path)).task
    if task not in TASKS:
        raise ModelFileError(
            f"{path}: its task {task!r} is unknown to this version. {nearest(task, TASKS)}"
        )
    return task_class(task).load(path)
