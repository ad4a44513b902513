"""The one table of tasks, which the command, the tests and ``gatework.load`` read."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatework.errors import ConfigError, ModelFileError, nearest


@dataclass(frozen=True)
class Entry:
    """Where a task's estimator and settings are, as ``module:name``, and what it foretells."""

    estimator: str
    config: str
    text: str


TASKS = {
    "forecast": Entry(
        "gatework.tasks.forecast:Forecaster",
        "gatework.tasks.forecast_config:ForecastConfig",
        "what comes next in a table of measurements",
    ),
    "classify": Entry(
        "gatework.tasks.classify:SequenceClassifier",
        "gatework.tasks.labelled_config:ClassifyConfig",
        "the class of sequences of any kind",
    ),
    "regress": Entry(
        "gatework.tasks.regress:SequenceRegressor",
        "gatework.tasks.labelled_config:RegressConfig",
        "a number for sequences of any kind",
    ),
    "detect": Entry(
        "gatework.tasks.detect:AnomalyDetector",
        "gatework.tasks.detect_config:DetectConfig",
        "what is normal in measurements, events or logs, to alarm at what is not",
    ),
    "tag": Entry(
        "gatework.tasks.tag:SequenceTagger",
        "gatework.tasks.labelled_config:TagConfig",
        "a label for every word or step",
    ),
}


def task_class(name: str) -> Any:
    """The estimator class of a task; ConfigError with the nearest names when there is none."""
    if name not in TASKS:
        raise ConfigError(f"there is no task {name!r}. {nearest(name, TASKS)}")
    return _find(TASKS[name].estimator)


def config_class(name: str) -> Any:
    """The settings class of a task, found without importing torch."""
    return _find(TASKS[name].config)


def _find(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def load(path: str | Path) -> Any:
    """The model saved at ``path``, whatever its task.

    Raises:
        ModelFileError: no model, a damaged one, or a task that this version does not know.
    """
    from gatework.model_files import read_model

    task = read_model(Path(path)).task
    if task not in TASKS:
        raise ModelFileError(
            f"{path}: its task {task!r} is unknown to this version. {nearest(task, TASKS)}"
        )
    return task_class(task).load(path)
