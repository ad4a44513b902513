"""What ``gatework fit`` does whatever the task: train, save, show; keep the checkpoint when stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatework.cli.common import MAX_THREADS
from gatework.cli.options import whole_number
from gatework.errors import GateworkError, OutputError


def train_and_save(
    make: Callable[[], Any],
    data: Path,
    roles: dict[str, Any],
    output: Path,
    show: Callable[[dict[str, Any]], None],
    *,
    resume: bool,
    threads: str | None,
    quiet: bool,
    json: bool,
) -> None:
    """Fit the estimator that ``make`` gives, save it at ``output``, show its evaluation."""
    import torch

    from gatework.cli.show import print_json
    from gatework.model_files import CHECKPOINT, check_output_folder
    from gatework.train.progress import make_progress

    if threads is not None:
        torch.set_num_threads(whole_number("--threads", threads, 1, MAX_THREADS))
    model = make()
    check_output_folder(output)
    progress = make_progress(quiet or json)
    checkpoint = output / CHECKPOINT
    if resume and not checkpoint.is_file():
        progress.message(
            f"--resume: {output} holds no checkpoint; training starts from the beginning"
        )
    try:
        model.fit(data, **roles, checkpoint=output, resume=resume, progress=progress)
        interrupted = model.training_.stopped == "interrupted"
        model.save(output, keep_checkpoint=interrupted)
    except OutputError as error:
        if not checkpoint.is_file():
            raise
        raise OutputError(
            f"{error} {checkpoint} is kept: the same command with --resume goes on from it."
        ) from None
    except KeyboardInterrupt:
        if not checkpoint.is_file():
            raise
        raise GateworkError(
            f"interrupted; {checkpoint} is kept: run the same command with --resume to go on from it"
        ) from None
    evaluation = model.metrics_["evaluation"]
    if json:
        # "model" in the evaluation is the model's scores, so its place has another name
        print_json({"folder": str(output), "stopped": model.training_.stopped, **evaluation})
        return
    show(evaluation)
    report = output / "report.html"
    print(f"model saved in {output}" + (f", report: {report}" if report.is_file() else ""))
    if interrupted:
        print("interrupted: run the same command with --resume to train on")
