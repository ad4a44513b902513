"""Thresholds: the risk they promise, a block as its rows, JSON and back, and what cannot be a threshold."""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.errors import ConfigError
from gatework.runtime.threshold_dynamic import DEVIATIONS, dynamic_level
from gatework.runtime.threshold_evt import PEAKS, EvtThreshold
from gatework.runtime.threshold_rate import count_ranges, level_of_ranges
from gatework.runtime.thresholds import KINDS, Threshold, make_threshold, threshold_from_json

UNIT = 1 / math.log(10)  # -log10 of a calibrated tail probability is exponential with this mean
LEARNING = tuple(kind for kind in KINDS if kind != "fixed")
RISKY = ("evt", "dspot", "conformal")


def make(kind: str, held_out: np.ndarray, risk: float = 1e-3, **more: Any) -> Threshold:
    return make_threshold(
        kind, held_out, risk=risk, **{"alarms_per_day": 2.0, "seconds": 60.0, "value": 3.0, **more}
    )


def scores(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).exponential(UNIT, n)


def a_stream(n: int, seed: int, burst: float = 9.0) -> np.ndarray:
    """Ordinary scores, bursts of anomalies, ties and missing ones."""
    rng = np.random.default_rng(seed)
    made = rng.exponential(UNIT, n)
    for begin in rng.integers(0, n, 1 + n // 500):
        made[begin : begin + 20] = burst * rng.uniform(0.3, 1, len(made[begin : begin + 20]))
    made[rng.uniform(size=n) < 0.02] = np.nan
    made[rng.uniform(size=n) < 0.1] = 0.25
    return made


# ---- the risk


@pytest.mark.parametrize("kind", RISKY)
@pytest.mark.parametrize("risk", [0.05, 0.01, 0.001])
def test_a_fitted_threshold_has_its_risk(kind: str, risk: float) -> None:
    n = 5_000
    # one in so many of an exponential, by a tail of at least 2 % of the rows
    spread = UNIT * math.sqrt((1 + math.log(max(0.02 / risk, 1)) ** 2 * 2) / (0.02 * n))
    tolerance = 4 * max(spread, UNIT / math.sqrt(risk * n))
    values = [make(kind, scores(n, seed), risk).value for seed in range(5)]
    assert np.abs(np.array(values) - -math.log10(risk)).max() < tolerance
    wrong = make(kind, scores(n) * 3, risk).value
    assert not abs(wrong - -math.log10(risk)) < tolerance


@pytest.mark.parametrize("kind", RISKY)
@pytest.mark.parametrize("anomalies", [False, True])
def test_the_risk_stays_on_a_long_stream(kind: str, anomalies: bool) -> None:
    risk, n = 0.005, 150_000
    stream, real = scores(n, 1), np.zeros(n, bool)
    if anomalies:
        for begin in range(500, n, 3_000):
            real[begin : begin + 50] = True
        stream[real] = 8 + np.random.default_rng(2).normal(size=real.sum())
    threshold = make(kind, scores(4_000, 3), risk)
    alarm = stream > threshold.extend(stream)
    late = slice(n // 2, None)
    share = (alarm & ~real)[late].sum() / (~real)[late].sum()
    # 375 alarms: a spread of 5 %; the threshold's own by 2,000 peaks is 4 %
    assert 0.75 < share / risk < 1.3
    assert not anomalies or alarm[real].mean() > 0.99


def test_learning_from_no_alarm_would_not_keep_it() -> None:
    class Deaf(EvtThreshold):
        def _alarm(self, beyond: float) -> None:
            pass

    risk, n = 0.005, 150_000
    threshold = Deaf.fitted(scores(4_000, 3), risk, adapt=True, depth=0)
    alarm = scores(n, 1) > threshold.extend(scores(n, 1))
    assert not alarm[n // 2 :].mean() / risk < 1.3


@pytest.mark.parametrize("kind", RISKY)
def test_it_follows_when_ordinary_scores_change(kind: str) -> None:
    risk = 0.01
    threshold = make(kind, scores(4_000), risk, memory=2_000)
    threshold.extend(scores(150_000, 1) * 1.5)
    assert threshold.value == pytest.approx(1.5 * 2, abs=0.35)
    threshold.extend(scores(150_000, 2))
    assert threshold.value == pytest.approx(2, abs=0.25)


def test_drift_is_taken_off() -> None:
    n = 40_000
    wander = 3 + 2 * np.sin(np.arange(n + 5_000) / 3_000)
    stream = wander + scores(n + 5_000)
    risk = 0.002
    high = (wander > 3)[5_000:]
    alarm = stream[5_000:] > make("dspot", stream[:5_000], risk, depth=50).extend(stream[5_000:])
    assert 0.6 < alarm.mean() / risk < 1.6
    assert 0.3 < alarm[high].sum() / alarm.sum() < 0.75
    fixed = stream[5_000:] > make("evt", stream[:5_000], risk).extend(stream[5_000:])
    assert not fixed[high].sum() / fixed.sum() < 0.75


def test_extreme_values_by_the_paper() -> None:
    threshold = make("evt", scores(10_000), 1e-4)
    assert isinstance(threshold, EvtThreshold)
    state = threshold.snapshot()
    t, N, n, xi, sigma = (
        threshold.level, len(state["peaks"]), state["n"], state["xi"], state["sigma"],
    )  # fmt: skip
    assert (N, n) == (200, 10_000)
    assert t == pytest.approx(np.quantile(scores(10_000), 0.98))
    z = t + sigma / xi * ((1e-4 * n / N) ** -xi - 1)
    assert threshold.value == pytest.approx(z)
    assert threshold.update(z + 5) == pytest.approx(z)
    assert threshold.snapshot()["peaks"] == state["peaks"]  # an alarm far above is not learned from
    threshold.update(t + 0.01)
    assert threshold.snapshot()["peaks"] == state["peaks"]  # nor what follows it above the level
    threshold.update(0.1)
    threshold.update(t + 0.01)
    assert threshold.snapshot()["peaks"] == [*state["peaks"], pytest.approx(0.01)]
    threshold.extend(scores(300_000, 1))
    assert len(threshold.peaks) == PEAKS


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1_000), n=st.integers(20, 400), risk=st.sampled_from([0.01, 0.05, 0.2]))
def test_conformal_alarms_are_those_of_the_p_value(seed: int, n: int, risk: float) -> None:
    held_out = np.round(scores(n, seed), 1)  # ties
    threshold = make("conformal", held_out, risk)
    if risk * (n + 1) < 1:
        assert threshold.value >= held_out.max()
        assert f"needs at least {math.ceil(1 / risk - 1e-9) - 1}," in threshold.text
        return
    for score in np.r_[held_out, held_out + 0.05]:
        p = (1 + (held_out >= score).sum()) / (n + 1)
        assert (score > threshold.value) == (p <= risk + 1e-12)


def test_conformal_slides_over_the_last_scores() -> None:
    threshold = make("conformal", scores(3_000), 0.01, memory=1_000)
    before = threshold.value
    threshold.extend(np.zeros(1_000))
    assert threshold.value == 0
    assert before > 1.5


# ---- alarms a day


def plain_ranges(values: np.ndarray, level: float) -> int:
    return sum(above for above, _ in itertools.groupby(values > level))


def test_ranges_are_counted() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 50):
        values = rng.integers(0, 6, n).astype(float)
        levels = np.array([-1.0, 0.0, 2.0, 2.5, 4.0, 9.0])
        assert count_ranges(values, levels).tolist() == [plain_ranges(values, v) for v in levels]


def test_as_many_ranges_as_wished() -> None:
    values = scores(20_000)
    for wished in (5, 20, 100, 1_000):
        assert abs(plain_ranges(values, level_of_ranges(values, wished)) - wished) <= 1
    # where there are few, the tail tells: one in n of an exponential
    few = [level_of_ranges(scores(20_000, seed), 0.2) for seed in range(20)]
    assert np.mean(few) == pytest.approx(math.log10(20_000 / 0.2), abs=0.3)
    levels = [level_of_ranges(values, wished) for wished in (0.1, 1, 4.9, 5, 20, 300)]
    assert levels == sorted(levels, reverse=True)


def test_a_plateau_is_one_alarm() -> None:
    values = np.tile(np.r_[np.full(10, 5.0), np.zeros(90)], 50) + 0.01 * scores(5_000)
    assert level_of_ranges(values, 49.5) < 5.01


def test_the_rate_follows_the_wish_within_its_bounds() -> None:
    day = 1_440
    wish = 20.0
    threshold = make("rate", scores(day * 5), alarms_per_day=wish)
    start = threshold.value
    stream = scores(day * 40, 1) * 1.3
    alarm = stream > threshold.extend(stream)
    a_day = np.diff(alarm[day * 20 :].astype(int), prepend=0).clip(0).sum() / 20
    assert a_day == pytest.approx(wish, rel=0.25)
    fixed = stream > start
    assert np.diff(fixed.astype(int)).clip(0).sum() / 40 != pytest.approx(wish, rel=0.25)
    assert threshold.extend(stream * 10).max() == 2 * start
    assert threshold.extend(np.zeros(day * 100)).min() == start / 2


# ---- dynamic


def plain_dynamic(values: np.ndarray, pruning: float) -> float:
    mean, deviation = values.mean(), values.std()
    best, chosen = -1.0, mean + 12 * deviation
    for z in DEVIATIONS:
        level = mean + z * deviation
        below, above = values[values <= level], (values > level).sum()
        if not above:
            continue
        fall = (mean - below.mean()) / mean + (deviation - below.std()) / deviation
        gain = fall / (above + plain_ranges(values, level) ** 2)
        if gain > best:
            best, chosen = gain, level
    return float(max(chosen, values[values <= chosen].max() / (1 - pruning)))


def test_the_dynamic_level_is_that_of_a_plain_loop() -> None:
    for seed in range(20):
        values = a_stream(600, seed, burst=3.0 + seed)
        values = values[~np.isnan(values)]
        for pruning in (0.0, 0.13):
            assert dynamic_level(values, pruning) == pytest.approx(plain_dynamic(values, pruning))
    assert dynamic_level(np.full(9, 2.0), 0.0) == 2.0
    assert dynamic_level(np.zeros(9)) > 0


# ---- a block as its rows, JSON, copies


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1_000),
    held=st.sampled_from([1, 2, 7, 60, 3_000]),
    risk=st.sampled_from([1e-6, 1e-3, 0.1]),
    cuts=st.lists(st.integers(0, 900), max_size=4),
)
def test_blocks_rows_and_what_was_kept_are_the_same(
    kind: str, seed: int, held: int, risk: float, cuts: list[int]
) -> None:
    held_out, stream = scores(held, seed), a_stream(900, seed)
    options: dict[str, Any] = {"memory": 300, "depth": 10}
    whole = make(kind, held_out, risk, **options).extend(stream)
    rows = make(kind, held_out, risk, **options)
    for row, score in enumerate(stream):
        value = rows.value
        assert rows.update(float(score)) == whole[row] == value
    going: Threshold = threshold_from_json(
        json.loads(json.dumps(make(kind, held_out, risk, **options).to_json(), allow_nan=False))
    )
    found = []
    for begin, end in itertools.pairwise([0, *sorted(cuts), 900]):
        found += going.extend(stream[begin:end]).tolist()
        kept = json.loads(json.dumps(going.snapshot(), allow_nan=False))
        fresh = make(kind, held_out, risk, **options)
        fresh.restore(kept)
        assert fresh.snapshot() == going.snapshot()
        going = fresh.copy()
        fresh.extend(np.full(50, 0.5))  # what happens to the one does not touch the other
    assert found == whole.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_learned_without_adapt(kind: str) -> None:
    threshold = make(kind, scores(500), adapt=False)
    before = threshold.to_json()
    assert set(threshold.extend(a_stream(2_000, 0)).tolist()) == {threshold.value}
    assert threshold.update(1.0) == threshold.value
    assert threshold.to_json() == before
    assert not threshold_from_json(before).adapt


@pytest.mark.parametrize("kind", KINDS)
def test_missing_scores_are_passed_over(kind: str) -> None:
    threshold = make(kind, scores(500))
    before = threshold.snapshot()
    assert not np.isnan(threshold.extend(np.full(300, np.nan))).any()
    assert threshold.snapshot() == before
    assert threshold.extend(np.zeros(0)).shape == (0,)
    with pytest.raises(ValueError, match=r"scores must be \(n,\); got the shape \(2, 2\)"):
        threshold.extend(np.zeros((2, 2)))


@pytest.mark.parametrize("kind", LEARNING)
@pytest.mark.parametrize(
    "held_out",
    [
        np.zeros(500),
        np.full(500, 2.0),
        np.array([1.5]),
        np.array([0.0, 3.0]),
        np.r_[np.zeros(499), 300.0],
        np.tile([0.0, 1.0, 2.0], 200),
        np.r_[scores(50), np.nan, np.inf],
    ],
    ids=["zeros", "alike", "one", "two", "far", "ties", "not finite"],
)
def test_any_held_out_scores_give_a_threshold(kind: str, held_out: np.ndarray) -> None:
    threshold = make(kind, held_out)
    assert 0 < threshold.value < 1e5
    calm = held_out[np.isfinite(held_out)]
    assert (calm > threshold.value).mean() <= 0.5
    stream = np.r_[calm, a_stream(2_000, 0), np.full(200, 300.0), np.inf, np.zeros(3_000)]
    found = threshold.extend(stream)
    assert np.isfinite(found).all()
    assert threshold.text.endswith(".")
    assert math.isfinite(threshold.value)


@pytest.mark.parametrize("kind", KINDS)
def test_kept_thresholds_and_states_are_bounded(kind: str) -> None:
    threshold = make(kind, scores(200_000), 0.001)
    threshold.extend(scores(100_000, 1))
    assert sum(1 for _ in leaves(threshold.to_json())) < 5_000
    assert sum(1 for _ in leaves(threshold.snapshot())) < 11_000


# ---- what cannot be


def leaves(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(data, (dict, list)):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(item, (*path, key))
    else:
        yield path


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


WRONG: list[Any] = [
    None,
    "x",
    math.nan,
    math.inf,
    [],
    {},
    True,
    -1,
    0,
    1e12,
    1e308,
    0.5,
    [1.0] * 3_000,
]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_json_is_refused_or_still_a_threshold(kind: str) -> None:
    good = make(kind, scores(60), 0.01, memory=50, depth=5).to_json()
    paths = [("state",), *itertools.islice(leaves(good), 14), *list(leaves(good))[-14:]]
    paths += [path[:2] for path in paths if len(path) > 2]
    refused = 0
    messages: list[str] = []
    for path, value in itertools.product(dict.fromkeys(paths), WRONG):
        try:
            threshold = threshold_from_json(changed(good, path, value))
        except ValueError as error:
            messages.append(str(error))
            refused += 1
            continue
        assert np.isfinite(threshold.extend(a_stream(300, 0))).all()
    assert all("threshold" in message for message in messages)
    assert refused > 3 * len(dict.fromkeys(paths))


def test_what_is_no_threshold_is_refused() -> None:
    nothing: list[Any] = [None, [], {}]
    for data in (*nothing, {"kind": "best"}, {"kind": "evt"}, {"kind": "fixed", "adapt": 1}):
        with pytest.raises(ValueError, match="threshold"):
            threshold_from_json(data)
    threshold = make("evt", scores(500))
    before = threshold.snapshot()
    with pytest.raises(ValueError, match="'peaks' of a threshold"):
        threshold.restore(make("conformal", scores(500)).snapshot())
    with pytest.raises(ValueError, match="'xi' of a threshold must be from -1 to 1; got 7"):
        threshold.restore({**before, "xi": 7})
    assert threshold.snapshot() == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make("SPOT", scores(9)), "threshold='SPOT' is unknown. Did you mean 'dspot'"),
        (lambda: make("evt", np.array([np.nan])), "there are none. Hold more rows out"),
        (lambda: make("evt", scores(9), 0.0), "risk must be above 0 and at most 0.25; got 0.0"),
        (lambda: make("dspot", scores(9), 0.3), "risk must be"),
        (lambda: make("evt", scores(9), math.nan), "risk must be"),
        (lambda: make("conformal", scores(9), memory=0), "memory must be from 1 to"),
        (lambda: make("dspot", scores(9), depth=0), "depth must be from 1 to"),
        (lambda: make("rate", scores(9), alarms_per_day=None), "needs alarms_per_day"),
        (lambda: make("rate", scores(9), alarms_per_day=-1.0), "needs alarms_per_day"),
        (lambda: make("rate", scores(9), seconds=None), "needs to know how far rows are apart"),
        (lambda: make("rate", scores(9), alarms_per_day=800.0), "more than every other row"),
        (lambda: make("fixed", scores(9), value=None), "threshold='fixed' needs a number"),
    ],
)
def test_wrong_settings_are_named(call: Callable[[], Threshold], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert message in str(caught.value)


def test_the_sentences() -> None:
    assert make("fixed", scores(9)).text == "Alarm above a fixed score of 3."
    assert "1 in 1,000 ordinary rows" in make("evt", scores(5_000)).text
    assert "2 alarms a day on held-out rows" in make("rate", scores(5_000)).text
    assert "1 alarm a day" in make("rate", scores(5_000), alarms_per_day=1.0).text
