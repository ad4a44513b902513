"""The contract of a task, stated once.

A task fills in five steps, in the order in which a fit runs them:

    _prepare     data        → Prepared   read, split by time, fit the preprocessing on the training part
    _build       Prepared    → network    from the settings and the sizes found
    _objective   Prepared    → Objective  batches, loss, validation score for the training loop
    _calibrate   Prepared    →            what is fitted on the validation part after training
    _judge       Prepared    → metrics    scores on the test part beside the field's naive baselines

and offers ``predict``, ``evaluate`` and ``stream``.  Everything else is here: settings in scikit-learn's
manner, training with checkpoints, saving and loading.
"""

from __future__ import annotations

import inspect
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gatework._version import __version__
from gatework.errors import (
    ConfigError,
    GateworkWarning,
    MissingDependencyError,
    NotFittedError,
    nearest,
)
from gatework.model_files import (
    CHECKPOINT,
    ModelFolder,
    check_output_folder,
    damaged,
    read_model,
    write_model,
)
from gatework.tasks.judged import Judged
from gatework.train.checkpoint import Checkpoint
from gatework.train.config import TrainConfig
from gatework.train.loop import Objective, Trainer, TrainResult
from gatework.train.progress import Progress, Quiet

Prepared = TypeVar("Prepared")
Settings = TypeVar("Settings", bound=TrainConfig)
Spec = TypeVar("Spec")


class Task(ABC, Generic[Settings, Prepared]):
    """An estimator: ``fit``, ``predict``, ``evaluate``, ``stream``, ``save``, ``load``.

    Settings are keywords; ``config`` holds them validated, ``get_params`` gives them back as scikit-learn
    expects.  What ``fit`` learns has a name that ends in an underscore.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TrainConfig]]
    page: ClassVar[str | None] = None  # module whose `render` makes the HTML report of the metrics

    network_: nn.Module
    training_: TrainResult
    fitted_config_: TrainConfig
    metrics_: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self.config: Settings = cast("Settings", validate(type(self), settings))

    # ---- what a task fills in -----------------------------------------------------------------------

    @abstractmethod
    def _prepare(self, data: Any, progress: Progress, **roles: Any) -> Prepared:
        """Read the data, cut it in time order, fit the preprocessing on the training part alone."""

    @abstractmethod
    def _build(self, prepared: Prepared) -> nn.Module:
        """The network, untrained; called with the seed set."""

    @abstractmethod
    def _objective(self, prepared: Prepared) -> Objective:
        """What the training loop minimises and validates."""

    def _calibrate(self, prepared: Prepared, progress: Progress) -> None:
        """Fit what needs the trained network and the validation part; nothing by default."""

    @abstractmethod
    def _judge(self, prepared: Prepared, progress: Progress) -> dict[str, Any]:
        """Scores on the test part beside the baselines, as plain values."""

    @abstractmethod
    def fit(self, *args: Any, **kwargs: Any) -> Self:
        """Train on data, with the roles of its columns as keywords; calls ``_fit``."""

    @abstractmethod
    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """What the task foretells of new data."""

    @abstractmethod
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Scores on new data that hold the truth, beside the baselines."""

    @abstractmethod
    def stream(self) -> Any:
        """A value with ``push(observation)`` that answers in constant time and memory."""

    def embed(self, *args: Any, **kwargs: Any) -> Any:
        """The hidden state of each sequence of a table as a vector; see the task."""
        raise ConfigError(f"{type(self).__name__}.embed: this task has no embedding of its data.")

    @abstractmethod
    def _parts(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
        """Network sizes, preprocessing and calibration tensors, for a model folder."""

    @abstractmethod
    def _from_parts(
        self,
        network: dict[str, Any],
        preprocessing: dict[str, Any],
        tensors: dict[str, Tensor],
        weights: dict[str, Tensor],
    ) -> None:
        """Undo ``_parts`` and put the weights in, sizes checked before anything is allocated.

        ValueError, KeyError or TypeError when they do not fit.
        """

    # ---- what a comparison of cells asks, see gatework.comparison ------------------------------------

    def judged(self, prepared: Prepared, *, baselines: bool = True) -> Judged:
        """The task's main score on the test part, item by item, beside the naive answers."""
        raise ConfigError(f"the task {self.name!r} does not say yet by which score cells compare.")

    def observations(self, prepared: Prepared, count: int) -> list[tuple[Any, ...]]:
        """At most ``count`` successive arguments of a stream's ``push``; none where there is no stream."""
        return []

    def remarks(self, prepared: Prepared) -> list[str]:
        """What a reader of a comparison has to know of how the task lays out its data."""
        return []

    def _card(self) -> str:
        """README of the model folder."""
        return f"# A {self.name} model\n"

    def _report(self) -> str | None:
        """The HTML report, or None where it cannot be made."""
        if self.page is None:
            return None
        try:
            text: str = import_module(self.page).render(self.metrics_)
        except MissingDependencyError as error:
            warnings.warn(f"no report.html: {error}", GateworkWarning, stacklevel=3)
            return None
        return text

    # ---- what every task does alike -----------------------------------------------------------------

    def _fit(
        self,
        data: Any,
        *,
        checkpoint: str | Path | None,
        resume: bool,
        progress: Progress | None,
        **roles: Any,
    ) -> Self:
        """Train on ``data`` and judge on its last part: the five steps in order.

        Args:
            data: a path or a frame; ``roles`` name its columns, see the task.
            checkpoint: folder for a checkpoint after every pass; None writes nothing anywhere.
            resume: continue from that checkpoint, with the result of an unbroken run.
            progress: told what happens; silent by default.
        """
        progress = progress or Quiet()
        before = dict(self.__dict__)
        try:
            # One fit at a time in a process: torch's random state, which a seed sets, is the process's.
            with _FITTING, torch.inference_mode(False), torch.enable_grad(), _float32():
                self._fit_steps(data, checkpoint, resume, progress, roles)
        except BaseException:
            # All or nothing: an earlier fit stays whole, a first one leaves nothing to predict with.
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _fit_steps(
        self,
        data: Any,
        checkpoint: str | Path | None,
        resume: bool,
        progress: Progress,
        roles: dict[str, Any],
    ) -> None:
        prepared = self._prepare(data, progress, **roles)
        self._train(prepared, checkpoint, resume, progress)
        self.metrics_ = {
            "task": self.name,
            "gatework_version": __version__,
            "settings": self.config.model_dump(mode="json"),
            "training": self.training_.to_json(),
            **self._judge(prepared, progress),
        }

    def prepare(self, data: Any, *, progress: Progress | None = None, **roles: Any) -> Prepared:
        """What ``fit`` makes of ``data`` before it trains; roles are the keywords of ``fit``.

        One preparation serves any number of :meth:`fit_prepared`, also of estimators of the same task that
        differ in ``cell``, ``hidden_size`` and other settings of the network and its training.

        Raises:
            DataError, ConfigError: as ``fit``; also a role that ``fit`` does not take.
        """
        known = self.role_defaults()
        odd = [name for name in roles if name not in known]
        if odd:
            raise ConfigError(
                f"{type(self).__name__}: there is no role or setting {odd[0]!r}. "
                + nearest(odd[0], [*known, *type(self).Config.model_fields])
            )
        return self._prepare(data, progress or Quiet(), **{**known, **roles})

    def fit_prepared(self, prepared: Prepared, *, progress: Progress | None = None) -> Self:
        """Train on what :meth:`prepare` made, which stays as it is; nothing is judged or written."""
        with _FITTING, torch.inference_mode(False), torch.enable_grad(), _float32():
            self._train(prepared, None, False, progress or Quiet())
        return self

    @classmethod
    def role_defaults(cls) -> dict[str, Any]:
        """Keywords of ``fit`` that say how to read the data, with their defaults."""
        how = {"self", "data", "checkpoint", "resume", "progress"}
        parameters = inspect.signature(cls.fit).parameters
        return {name: p.default for name, p in parameters.items() if name not in how}

    def _train(
        self,
        prepared: Prepared,
        checkpoint: str | Path | None,
        resume: bool,
        progress: Progress,
    ) -> None:
        """Build, train, calibrate."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            self.network_ = self._build(prepared)
        keeper = None
        if checkpoint is not None:
            keeper = Checkpoint(Path(checkpoint) / CHECKPOINT, self._fingerprint(prepared))
        trainer = Trainer(self._objective(prepared), self._train_config(prepared), progress, keeper)
        self.training_ = trainer.run(resume=resume)
        self.fitted_config_ = self.config
        self._calibrate(prepared, progress)

    def count_parameters(self, prepared: Prepared) -> int:
        """Number of weights that a fit with these settings would train; no memory is taken for them."""
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return sum(p.numel() for p in self._build(prepared).parameters())

    def save(self, path: str | Path, *, keep_checkpoint: bool = False) -> Path:
        """Write the model as the folder ``path``, whole or not at all; returns it.

        Raises:
            OutputError: not writable, disk full, or a folder that holds something else.
        """
        self._check_fitted("save")
        path = Path(path)
        check_output_folder(path)
        network, preprocessing, tensors = self._parts()
        weights = {f"network.{k}": v for k, v in self.network_.state_dict().items()}
        folder = ModelFolder(
            task=self.name,
            settings=self.fitted_config_.model_dump(mode="json"),
            network=network,
            preprocessing=preprocessing,
            tensors={**weights, **tensors},
            metrics=self.metrics_,
            card=self._card(),
            report=self._report(),
        )
        write_model(path, folder, keep_checkpoint=keep_checkpoint)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model saved at ``path``; nothing from the folder is executed.

        Raises:
            ModelFileError: no model, a damaged one, another task's, or a newer format.
        """
        folder = read_model(Path(path))
        if folder.task != cls.name:
            raise damaged(Path(path), f"it is a {folder.task!r} model, not a {cls.name!r} model")
        weights = {
            k.removeprefix("network."): v
            for k, v in folder.tensors.items()
            if k.startswith("network.")
        }
        try:
            model = cls(**folder.settings)
            model.fitted_config_ = model.config
            others = {k: v for k, v in folder.tensors.items() if not k.startswith("network.")}
            for name, tensor in folder.tensors.items():
                if tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
                    raise ValueError(f"{name!r} does not hold finite float32 numbers")
            model._from_parts(folder.network, folder.preprocessing, others, weights)
            model.training_ = TrainResult.from_json(dict(folder.metrics.get("training", {})))
        except (
            ConfigError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            IndexError,
            AttributeError,
            ArithmeticError,
            AssertionError,
        ) as error:
            first = (
                str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            )
            raise damaged(Path(path), f"its parts do not fit together ({first[:200]})") from None
        model.network_.eval()
        model.metrics_ = folder.metrics
        return model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All settings, as scikit-learn's ``clone`` and grid search want them."""
        return {name: getattr(self.config, name) for name in type(self).Config.model_fields} | dict(
            self._settings
        )

    def set_params(self, **settings: Any) -> Self:
        """Change settings in place; what was fitted stays until the next ``fit``."""
        merged = {**self._settings, **settings}
        self.config = cast("Settings", validate(type(self), merged))
        self._settings = merged
        return self

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        self._check_fitted("parameters")
        return sum(p.numel() for p in self.network_.parameters())

    def __repr__(self) -> str:
        fields = type(self).Config.model_fields
        changed = {k: v for k, v in self._settings.items() if fields[k].default != v}
        given = ", ".join(f"{k}={v!r}" for k, v in changed.items())
        return f"{type(self).__name__}({given})"

    def _train_config(self, prepared: Prepared) -> TrainConfig:
        """The loop's settings; a task may fill in what depends on the size of the data."""
        return self.config

    def _fingerprint(self, prepared: Prepared) -> str:
        """Text that changes with data and settings; how long to train is free to change."""
        free = {"max_epochs", "patience", "max_seconds"}
        settings = self.config.model_dump_json(exclude=free)
        return sha256((settings + self._data_fingerprint(prepared)).encode()).hexdigest()

    def _data_fingerprint(self, prepared: Prepared) -> str:
        """Text that changes with the prepared data."""
        return ""

    def _check_fitted(self, verb: str) -> None:
        if not hasattr(self, "network_"):
            raise NotFittedError(
                f"{type(self).__name__}.{verb}: this model is not fitted yet. Call fit(...) first, or "
                f"{type(self).__name__}.load(folder)."
            )


# pydantic's kinds of error in our words; others keep pydantic's
RULES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    "int_parsing_size": "is too large",
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
}


_FITTING = threading.RLock()


@contextmanager
def _float32() -> Iterator[None]:
    """Torch's default type is float32 meanwhile, whatever the caller has set."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(kept)


def build_checked(make: Callable[[], nn.Module], weights: dict[str, Tensor]) -> Any:
    """The network that ``make`` builds, with ``weights`` in it.

    Built once without memory to compare the shapes: a damaged or malicious folder cannot ask for more than
    its own weights take.

    Raises:
        ValueError: names or shapes differ.
    """
    with torch.device("meta"):
        wanted = {k: tuple(v.shape) for k, v in make().state_dict().items()}
    given = {k: tuple(v.shape) for k, v in weights.items()}
    if wanted != given:
        odd = sorted(k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k))[0]
        raise ValueError(f"{odd!r} has shape {given.get(odd)}, the network needs {wanted.get(odd)}")
    with torch.random.fork_rng(devices=[]):
        network = make()
    state = network.state_dict()  # knows the versions of its layers, which a plain dict does not
    state.update(weights)
    network.load_state_dict(state)
    return network.eval()


def validate(task: type[Task[Any, Any]], settings: dict[str, Any]) -> TrainConfig:
    """The task's config, or one ConfigError that names the setting, the value and what is allowed."""
    unknown = [name for name in settings if name not in task.Config.model_fields]
    if unknown:
        raise ConfigError(
            f"{task.__name__}: there is no setting {unknown[0]!r}. "
            + nearest(unknown[0], task.Config.model_fields)
        )
    try:
        return task.Config(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "settings"
        rule = RULES.get(first["type"])
        message = rule.format(**first.get("ctx", {})) if rule else first["msg"]
        message = message.removeprefix("Value error, ")
        given = f"; got {first['input']!r:.60}" if first["loc"] and "; got " not in message else ""
        raise ConfigError(f"{task.__name__}: {where}: {message}{given}.") from None


def spec_from_json(spec: type[Spec], data: dict[str, Any]) -> Spec:
    """The sizes that ``spec_to_json`` wrote; TypeError when they are others."""
    return spec(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def spec_to_json(spec: Any) -> dict[str, Any]:
    """A dataclass of sizes as plain JSON values."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(spec).items()}
