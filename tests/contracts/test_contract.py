"""What every task promises, whatever it does."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from sklearn.base import clone

import gatework
from gatework.errors import ConfigError, GateworkError, NotFittedError
from gatework.tasks.registry import TASKS

sys.path.insert(0, str(Path(__file__).parent))
from table import CONTRACTS, EXCLUDED, Contract

EVERY = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.task)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {c.task: c.fit() for c in CONTRACTS}


def weights(model: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.network_.parameters()])


def test_every_task_is_in_the_table() -> None:
    assert {c.task for c in CONTRACTS} | EXCLUDED.keys() == TASKS.keys()


@EVERY
def test_settings_survive_clone(contract: Contract) -> None:
    model = contract.estimator(**contract.settings)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert copy.config == model.config
    copy.set_params(hidden_size=9)
    assert (copy.config.hidden_size, model.config.hidden_size) == (
        9,
        contract.settings["hidden_size"],
    )


@EVERY
def test_an_unknown_setting_offers_the_nearest(contract: Contract) -> None:
    with pytest.raises(ConfigError, match=r"hiden_size.*Did you mean 'hidden_size'"):
        contract.estimator(hiden_size=8)


@EVERY
@pytest.mark.parametrize("verb", ["predict", "evaluate", "save", "stream"])
def test_use_before_fit_is_refused(contract: Contract, verb: str) -> None:
    model = contract.estimator(**contract.settings)
    argument = () if verb == "stream" else (contract.data(),)
    with pytest.raises(NotFittedError, match=f"{verb}: this model is not fitted yet"):
        getattr(model, verb)(*argument)


@EVERY
def test_same_seed_same_bits(contract: Contract, fitted: dict[str, Any]) -> None:
    assert torch.equal(weights(contract.fit()), weights(fitted[contract.task]))
    assert not torch.equal(weights(contract.fit(seed=1)), weights(fitted[contract.task]))


@EVERY
def test_the_callers_random_state_is_left_alone(contract: Contract) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    contract.fit()
    assert torch.equal(torch.rand(3), expected)


@EVERY
def test_inputs_are_not_changed(contract: Contract, fitted: dict[str, Any]) -> None:
    frame = contract.data()
    kept = frame.clone()
    model = contract.estimator(**contract.settings).fit(frame, **contract.roles)
    model.predict(frame)
    model.evaluate(frame)
    assert_frame_equal(frame, kept)


@EVERY
def test_fit_writes_nothing(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    contract.fit()
    assert list(tmp_path.iterdir()) == []


@EVERY
def test_a_fresh_process_predicts_and_scores_the_same(
    contract: Contract, fitted: dict[str, Any], tmp_path: Path
) -> None:
    model, frame = fitted[contract.task], contract.data()
    model.save(tmp_path / "model")
    frame.write_parquet(tmp_path / "data.parquet")
    script = (
        "import sys, json, gatework\n"
        "folder = sys.argv[1]\n"
        "model = gatework.load(folder + '/model')\n"
        "model.predict(folder + '/data.parquet').write_parquet(folder + '/out.parquet')\n"
        "print(json.dumps(model.evaluate(folder + '/data.parquet').to_json()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert done.returncode == 0, done.stderr
    assert_frame_equal(
        pl.read_parquet(tmp_path / "out.parquet"), model.predict(frame), rel_tol=1e-5
    )
    import json

    theirs, ours = json.loads(done.stdout), model.evaluate(frame).to_json()
    for metric, value in ours["model"]["overall"].items():
        assert theirs["model"]["overall"][metric] == pytest.approx(value, rel=1e-4), metric


@EVERY
def test_load_refuses_another_tasks_model(
    contract: Contract, fitted: dict[str, Any], tmp_path: Path
) -> None:
    path = fitted[contract.task].save(tmp_path / "model")
    config = path / "config.json"
    config.write_text(config.read_text().replace(f'"task": "{contract.task}"', '"task": "cook"'))
    with pytest.raises(GateworkError, match="cook"):
        contract.estimator.load(path)
    with pytest.raises(GateworkError, match="cook"):
        gatework.load(path)


@EVERY
def test_resume_equals_an_unbroken_run(contract: Contract, tmp_path: Path) -> None:
    def fit(epochs: int, resume: bool) -> Any:
        model = contract.estimator(**{**contract.settings, "max_epochs": epochs})
        return model.fit(contract.data(), checkpoint=tmp_path, resume=resume, **contract.roles)

    fit(1, resume=False)
    resumed = fit(3, resume=True)
    unbroken = contract.fit(max_epochs=3)
    assert torch.equal(weights(resumed), weights(unbroken))
    ours, theirs = resumed.training_.history, unbroken.training_.history
    assert [(r.train_loss, r.validation) for r in ours] == [
        (r.train_loss, r.validation) for r in theirs
    ]


@EVERY
def test_streaming_equals_batch(contract: Contract, fitted: dict[str, Any]) -> None:
    if contract.stream_answer is None or contract.batch_answer is None:
        pytest.skip("not causal")
    model, frame = fitted[contract.task], contract.one(contract.data())
    stream, answers = model.stream(), 0
    for n, row in enumerate(contract.rows(frame), start=1):
        answer = stream.push(row)
        if answer is None or n % contract.every:
            continue
        answers += 1
        expected = contract.batch_answer(model, frame.head(n))
        np.testing.assert_allclose(contract.stream_answer(answer), expected, rtol=1e-4, atol=1e-4)
    assert answers > 5


@EVERY
def test_memory_is_flat_on_a_long_stream(contract: Contract, fitted: dict[str, Any]) -> None:
    stream = fitted[contract.task].stream()
    rows = list(contract.rows(contract.endless(contract.data())))
    first = next(iter(contract.rows(contract.data())))
    stream.push(first)

    def push(count: int) -> None:
        for n in range(count):
            stream.push(rows[n % len(rows)])

    push(700)  # past every buffer's first use
    tracemalloc.start()
    push(100)
    before = tracemalloc.get_traced_memory()[0]
    push(2000)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # One row kept for each push would be 2000 × (a few floats), some 300 kB.
    assert after - before < 60_000
