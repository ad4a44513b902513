"""Steps of numbers and categories: scales of the training part, holes, gaps, far values, streams."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gatework.data.encoders.base import Encoded
from gatework.data.encoders.find import encoder_class
from gatework.data.encoders.series import MAX_WORDS, STEEP, SeriesEncoder
from gatework.data.sequences import SequenceSet, Series

NAN = float("nan")


def sequence_set(items: Sequence[Series], categorical: tuple[str, ...] = ()) -> SequenceSet:
    features = tuple(f"x{i}" for i in range(items[0].values.shape[1]))
    names = [f"item {i}" for i in range(len(items))]
    return SequenceSet(
        "series", list(items), names, "test", features=features, categorical=categorical
    )


def fit(*items: Series, categorical: tuple[str, ...] = ()) -> SeriesEncoder:
    return SeriesEncoder.fit(sequence_set(items, categorical), None)


def column(*numbers: float) -> Series:
    return Series(np.array(numbers, float)[:, None])


def words(*texts: str | None) -> Series:
    return Series(np.zeros((len(texts), 0)), np.array(texts, object)[:, None])


def series(T: int, seed: int = 0, holes: float = 0.0, uneven: bool = False) -> Series:
    rng = np.random.default_rng(seed)
    values = rng.normal((5, -2e4, 0.01), (3, 1e3, 1e-3), (T, 3))
    values[rng.random(values.shape) < holes] = NAN
    kinds = np.array(["sun", "rain", None], object)[rng.integers(0, 3, (T, 1))]
    times = rng.exponential(2.0, T).cumsum() if uneven else np.arange(T) * 60.0
    return Series(values, kinds, times)


def test_training_values_have_mean_0_and_deviation_1() -> None:
    items = [series(50, i) for i in range(3)]
    encoder = fit(*items, categorical=("sky",))
    values = np.concatenate([encoder.encode(s).values for s in items])
    assert (encoder.size, encoder.cardinalities) == (3, (4,))
    assert values.dtype == np.float32
    assert np.allclose(values.mean(0), 0, atol=1e-5)
    assert np.allclose(values.std(0), 1, atol=1e-5)
    assert encoder_class("series") is SeriesEncoder


def test_scales_are_those_of_what_was_given_alone() -> None:
    encoder = fit(column(0, 2, 4))
    other = column(100, 102)
    before = encoder.to_json()
    expected = (np.array([100, 102]) - 2) / np.sqrt(8 / 3)
    far = STEEP + np.log1p(expected - STEEP)
    assert np.allclose(encoder.encode(other).values[:, 0], far, atol=1e-5)
    assert encoder.to_json() == before
    assert other.values.tolist() == [[100], [102]]  # left as it was


def test_a_hole_is_the_mean_and_told() -> None:
    encoder = fit(column(1, NAN, 3))
    assert encoder.size == 2
    assert encoder.encode(column(3, NAN)).values.tolist() == [[1, 1], [0, 0]]
    assert "which values are missing" in encoder.describe()


def test_a_hole_where_training_had_none_is_the_mean() -> None:
    encoder = fit(column(1, 3))
    assert encoder.encode(column(3, NAN)).values.tolist() == [[1], [0]]


def test_a_channel_of_holes_alone() -> None:
    encoder = fit(Series(np.array([[1.0, NAN], [3.0, NAN]])))
    found = encoder.encode(Series(np.array([[3.0, NAN], [3.0, 7.0]]))).values
    assert found.tolist() == [[1, 0, 1, 0], [1, 7, 1, 1]]


def test_gaps_where_steps_are_uneven() -> None:
    item = Series(np.zeros((4, 1)), None, np.array([0.0, 1.0, 3.0, 5.0]))
    encoder = fit(item)
    assert encoder.gap == 2
    assert np.allclose(encoder.encode(item).values[:, 1], np.log1p([0, 0.5, 1, 1]))
    with pytest.raises(ValueError, match="has no times, and the model was trained with them"):
        encoder.encode(column(1))
    with pytest.raises(ValueError, match="lacks 'time'"):
        encoder.stream().push({"x0": 1.0})
    assert "the time since the step before" in encoder.describe()


@pytest.mark.parametrize("times", [[0.0, 1.0, 2.0], [0.0, 1e6, 2e6], None])
def test_even_steps_tell_no_gaps(times: list[float] | None) -> None:
    encoder = fit(Series(np.zeros((3, 1)), None, None if times is None else np.array(times)))
    assert (encoder.gap, encoder.size) == (None, 1)


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_an_infinite_value_is_refused_by_channel_and_step(bad: float) -> None:
    item = Series(np.array([[1.0, 2.0], [3.0, bad]]))
    for encoder in (fit(Series(np.ones((2, 2)))), fit(item)):  # in training too
        with pytest.raises(ValueError, match=r"^step 2, channel 'x1': the value is infinite\.$"):
            encoder.encode(item)
        assert np.isfinite([encoder.mean, encoder.deviation]).all()


def test_an_unseen_category_is_unknown_and_none_is_missing() -> None:
    encoder = fit(words("sun", "rain", None), categorical=("sky",))
    assert encoder.encode(words("rain", "hail", None, "sun")).tokens.T.tolist() == [[2, 1, 0, 3]]


def test_of_many_categories_those_seen_once_are_unknown() -> None:
    seen = [f"w{i}" for i in range(60)]
    encoder = fit(words(*seen, "w7", "w8", "x" * 10**6), categorical=("kind",))
    assert encoder.cardinalities == (4,)
    assert encoder.encode(words("w7", "w9")).tokens.T.tolist() == [[2, 1]]


def test_the_vocabulary_is_bounded_and_keeps_the_most_frequent() -> None:
    texts = [f"w{i}" for i in range(MAX_WORDS + 10)] * 2 + ["z"] * 3
    encoder = fit(words(*texts), categorical=("kind",))
    assert encoder.cardinalities == (MAX_WORDS + 2,)
    assert encoder.encode(words("z")).tokens[0, 0] > 1


def test_a_constant_channel_stays_small() -> None:
    values = np.full((100_000, 3), 0.1)  # their sum is not exactly 10,000
    encoder = fit(Series(values))
    assert encoder.deviation.tolist() == [1, 1, 1]
    assert np.abs(encoder.encode(Series(np.array([[0.1, 0.2, -0.9]]))).values).max() < 1.1


def test_far_values_are_drawn_in_and_keep_their_order() -> None:
    encoder = fit(column(*np.random.default_rng(0).normal(size=50)))
    found = encoder.encode(column(-1e300, -1e9, -20, 0, 20, 1e9, 1e300)).values[:, 0]
    assert (np.diff(found) > 0).all()
    assert np.abs(found).max() < 1000


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_any_magnitude_is_scaled(scale: float) -> None:
    item = column(*scale * np.array([1.0, 2.0, 3.0]))
    found = fit(item).encode(item).values[:, 0]
    assert np.allclose(found, [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-5)


def test_a_channel_over_magnitudes_is_taken_as_logarithms() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([np.exp(rng.normal(3, 4, 500)), rng.normal(size=500)], axis=1)
    encoder = fit(Series(values))
    assert encoder.logs.tolist() == [True, False]
    found = encoder.encode(Series(values)).values
    assert np.abs(found).max() < 5
    logs = np.log1p(values[:, 0])
    assert np.allclose(found[:, 0], (logs - logs.mean()) / logs.std(), atol=1e-4)
    minus = encoder.encode(Series(np.array([[-5.0, 0.0], [5.0, 0.0]]))).values[:, 0]
    assert minus[0] < minus[1]


@pytest.mark.parametrize(("holes", "uneven"), [(0.0, False), (0.2, True)])
def test_a_stream_gives_what_a_batch_gives(holes: float, uneven: bool) -> None:
    item = series(30, 1, holes, uneven)
    encoder = fit(item, series(20, 2, holes, uneven), categorical=("sky",))
    whole, stream = encoder.encode(item), encoder.stream()
    pushed: list[Encoded] = []
    for t in range(len(item)):
        row: dict[str, Any] = dict(zip(encoder.features, item.values[t], strict=True))
        assert item.categories is not None
        assert item.times is not None
        pushed.append(
            stream.push(row | {"sky": item.categories[t, 0], "time": item.times[t], "more": 1})
        )
    assert np.array_equal(np.concatenate([p.values for p in pushed]), whole.values)
    assert np.array_equal(np.concatenate([p.tokens for p in pushed]), whole.tokens)


def test_a_row_of_numbers_is_a_step_too() -> None:
    encoder = fit(Series(np.array([[1.0, 2.0], [3.0, NAN]])))
    item = Series(np.array([[5.0, NAN]]))
    for row in ([5.0, None], np.array([5.0, NAN]), {"x0": 5, "x1": None}, ["5", NAN]):
        assert np.array_equal(encoder.stream().push(row).values, encoder.encode(item).values)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"x0": 1.0}, "lacks 'sky'"),
        ({"sky": "sun"}, "lacks 'x0'"),
        ([1.0], "must have 1 numbers, or be a mapping with x0, sky"),
        ({"x0": "one", "sky": "sun"}, "something that is not a number"),
        ({"x0": 1.0, "sky": "sun", "time": "noon"}, "something that is not a number"),
        ({"x0": np.inf, "sky": "sun"}, "channel 'x0': the value is infinite"),
    ],
)
def test_a_row_that_does_not_fit_says_why(row: Any, message: str) -> None:
    item = Series(np.zeros((2, 1)), np.array([["sun"], ["rain"]], object))
    with pytest.raises(ValueError, match=message):
        fit(item, categorical=("sky",)).stream().push(row)
    with pytest.raises(ValueError, match="not a number"):
        fit(column(1)).stream().push(["one"])


def test_items_that_do_not_fit_say_why() -> None:
    encoder = fit(column(1, 2))
    with pytest.raises(ValueError, match=r"has 2 numeric channels, .* trained on 1 \(x0\)"):
        encoder.encode(Series(np.zeros((3, 2))))
    with pytest.raises(ValueError, match="length 0"):
        encoder.encode(Series(np.zeros((0, 1))))
    with pytest.raises(ValueError, match="lacks categorical channels of the training: sky"):
        fit(words("a"), categorical=("sky",)).encode(Series(np.zeros((3, 0))))


def test_json_keeps_everything() -> None:
    items = [series(40, i, 0.2, True) for i in range(2)]
    encoder = fit(*items, categorical=("sky",))
    kept = json.loads(json.dumps(encoder.to_json(), allow_nan=False))
    again = SeriesEncoder.from_json(kept)
    assert again.to_json() == encoder.to_json()
    assert (again.size, again.cardinalities) == (encoder.size, encoder.cardinalities)
    assert again.describe() == encoder.describe()
    for a, b in zip(again.encode(items[0]), encoder.encode(items[0]), strict=True):
        assert np.array_equal(a, b)


DAMAGE: dict[str, list[Any]] = {
    "features": [None, 3, ["x0"]],
    "categorical": [None, [], 4],
    "mean": [None, [1.0], [[0, 0, 0]], [0, NAN, 0], ["a", 0, 0]],
    "deviation": [None, [1, 1, 0], [1, 1, -1], [1, 1, np.inf], [NAN, 1, 1]],
    "logs": [[True], None],
    "vocabularies": [[], None, [3]],
    "gap": [0, -1, NAN, np.inf, "x", [1]],
}


@pytest.mark.parametrize("field", DAMAGE)
def test_damaged_json_is_refused(field: str) -> None:
    kept = fit(series(20, uneven=True), categorical=("sky",)).to_json()
    for value in DAMAGE[field]:
        with pytest.raises((ValueError, KeyError, TypeError)):
            SeriesEncoder.from_json(copy.deepcopy(kept) | {field: value})
    del kept[field]
    with pytest.raises(KeyError):
        SeriesEncoder.from_json(kept)
