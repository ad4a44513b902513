"""Tables as tensors, and the proof that nothing of validation or test reaches the training."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.encoding import TableEncoder, constant_in_training
from gatework.data.schema import resolve_schema
from gatework.data.series import SeriesTable, arrange
from gatework.data.split import split_by_time
from gatework.data.table import read_table
from gatework.data.windows import Windows, window_starts
from gatework.errors import DataError
from gatework.train.baselines import find_season

START = datetime(2024, 1, 1)
CONTEXT, HORIZON = 8, 3
EPS = float(np.finfo(np.float32).eps)


def make_table(names: tuple[str, ...] = ("a", "b"), rows: int = 60, seed: int = 0) -> SeriesTable:
    """Two targets, and a covariate of every role and kind, with holes."""
    rng = np.random.default_rng(seed)
    N = rows * len(names)

    def holed(values: np.ndarray) -> list[Any]:
        return [None if rng.random() < 0.1 else v for v in values.tolist()]

    columns: dict[str, list[Any]] = {
        "t": [START + timedelta(hours=h) for h in range(rows)] * len(names),
        "id": [name for name in names for _ in range(rows)],
        "y": holed(np.sin(np.arange(N) / 4) * 5 + 20 + rng.normal(size=N)),
        "z": holed(rng.normal(-3, 0.1, N)),
        "wind": holed(rng.normal(7, 2, N)),
        "price": holed(rng.normal(100, 9, N)),
        "sky": holed(rng.choice(["clear", "cloud", "rain"], N)),
        "event": holed(rng.choice(["none", "sale"], N)),
        "area": [float(10 * (1 + i)) for i in range(len(names)) for _ in range(rows)],
        "kind": [f"kind {i}" for i in range(len(names)) for _ in range(rows)],
    }
    raw = read_table(columns)
    schema, _ = resolve_schema(
        raw,
        target=["y", "z"],
        time="t",
        series="id",
        past=["wind", "sky"],
        known=["price", "event"],
        static=["area", "kind"],
    )
    return arrange(raw, schema)


def encoder_of(table: SeriesTable, train_end: np.ndarray, calendar: bool = True) -> TableEncoder:
    return TableEncoder.fit(table, train_end, context=CONTEXT, use_calendar=calendar)


def ends(table: SeriesTable, share: float = 0.6) -> np.ndarray:
    lengths = np.diff(table.offsets)
    return table.offsets[:-1] + (share * lengths).astype(np.int64)


def as_text(encoder: TableEncoder) -> str:
    return json.dumps(encoder.to_json(), allow_nan=False, sort_keys=True)


# ------------------------------------------------------------------ scales


def test_targets_are_standardised_per_series_on_the_training_rows() -> None:
    table = make_table()
    encoder = encoder_of(table, ends(table))
    encoded = encoder.encode(table)
    assert encoded.y.dtype == torch.float32
    for s in range(2):
        a, b, c = int(table.offsets[s]), int(ends(table)[s]), int(table.offsets[s + 1])
        for k in range(2):
            train = table.targets[a:b, k]
            mean, std = np.nanmean(train), np.nanstd(train)
            expected = (table.targets[a:c, k] - mean) / std
            np.testing.assert_allclose(
                encoded.y[a:c, k].numpy(), expected, rtol=8 * EPS, atol=8 * EPS
            )
            assert float(encoded.location[s, k]) == pytest.approx(mean)
            assert float(encoded.scale[s, k]) == pytest.approx(std)
    back = encoded.y.double() * encoded.scale.repeat_interleave(60, 0)
    back += encoded.location.repeat_interleave(60, 0)
    np.testing.assert_allclose(back.numpy(), table.targets, rtol=64 * EPS)


def test_covariates_are_standardised_over_all_series() -> None:
    table = make_table()
    encoded = encoder_of(table, ends(table)).encode(table)
    rows = np.concatenate(
        [np.arange(a, b) for a, b in zip(table.offsets[:-1], ends(table), strict=True)]
    )
    for found, raw in (
        (encoded.past[:, 0], table.past[:, 0]),
        (encoded.known[:, 0], table.known[:, 0]),
    ):
        expected = (raw - np.nanmean(raw[rows])) / np.nanstd(raw[rows])
        np.testing.assert_allclose(found.numpy(), expected, rtol=16 * EPS, atol=16 * EPS)
    np.testing.assert_allclose(encoded.static[:, 0].numpy(), [-1, 1], rtol=EPS)
    assert encoded.known.shape[1] == 1 + encoder_of(table, ends(table)).calendar_size


def test_missing_stays_missing_but_for_static_numbers() -> None:
    table = make_table()
    table.static[1, 0] = np.nan
    encoded = encoder_of(table, ends(table)).encode(table)
    np.testing.assert_array_equal(torch.isnan(encoded.y).numpy(), np.isnan(table.targets))
    np.testing.assert_array_equal(torch.isnan(encoded.past).numpy(), np.isnan(table.past))
    assert torch.isfinite(encoded.static).all()
    assert torch.isfinite(encoded.known[:, 1:]).all()  # the calendar


def test_categories_are_numbers_of_the_training_words() -> None:
    table = make_table()
    table.past_categories[-1, 0] = "hail"  # never in training
    table.known_categories[-1, 0] = None
    encoder = encoder_of(table, ends(table))
    encoded = encoder.encode(table)
    assert encoder.vocabularies["sky"].words == ("clear", "cloud", "rain")
    assert encoder.cardinalities(table.schema.past) == [5]
    assert encoder.cardinalities(table.schema.known) == [4]
    assert encoder.cardinalities(table.schema.static) == [4]
    assert int(encoded.past_categories[-1, 0]) == 1
    assert int(encoded.known_categories[-1, 0]) == 0
    assert encoded.static_categories[:, 0].tolist() == [2, 3]


def test_a_column_that_never_changes_is_shifted_and_not_blown_up() -> None:
    table = make_table()
    train_end = ends(table)
    table.past[:, 0] = 1e9
    table.past[-1, 0] += 5
    encoded = encoder_of(table, train_end).encode(table)
    assert encoded.past[:-1, 0].abs().max() == 0
    assert float(encoded.past[-1, 0]) == 5


def test_a_column_without_a_value_is_left_as_it_is() -> None:
    table = make_table()
    table.past[:70, 0] = np.nan
    train_end = np.array([30, 70])
    encoded = encoder_of(table, train_end).encode(table)
    np.testing.assert_allclose(encoded.past[70:, 0].numpy(), table.past[70:, 0], rtol=EPS)


def test_holes_are_noted_where_training_had_them() -> None:
    table = make_table()
    train_end = ends(table)
    assert encoder_of(table, train_end).missing == {"y": True, "past": True, "known": True}
    for values in (table.targets, table.past, table.known):
        for a, b in zip(table.offsets[:-1], train_end, strict=True):
            values[a:b] = np.nan_to_num(values[a:b])
    assert np.isnan(table.targets).any()
    assert encoder_of(table, train_end).missing == {"y": False, "past": False, "known": False}


# ------------------------------------------------------------------ later tables


def test_a_series_that_was_not_seen_is_scaled_by_its_first_context_rows() -> None:
    table = make_table(("a", "b"))
    encoder = encoder_of(table, ends(table))
    later = make_table(("c", "a"), seed=1)
    encoded = encoder.encode(later)
    first = later.targets[:CONTEXT]
    np.testing.assert_allclose(encoded.location[0].numpy(), np.nanmean(first, axis=0))
    np.testing.assert_allclose(encoded.scale[0].numpy(), np.nanstd(first, axis=0))
    np.testing.assert_array_equal(encoded.location[1].numpy(), encoder.target_mean[0])
    np.testing.assert_array_equal(encoded.scale[1].numpy(), encoder.target_std[0])
    # What comes after the first context has no say.
    changed = replace(later, targets=later.targets.copy())
    changed.targets[CONTEXT:60] += 1000
    np.testing.assert_array_equal(
        encoder.encode(changed).y[:CONTEXT].numpy(), encoded.y[:CONTEXT].numpy()
    )


def test_a_new_series_shorter_than_the_context_does_not_borrow_its_neighbours_rows() -> None:
    table = make_table()
    encoder = encoder_of(table, ends(table))
    short = make_table(("c", "d"), rows=5)
    before = encoder.encode(short)
    short.targets[5:] = 1e6
    after = encoder.encode(short)
    np.testing.assert_array_equal(before.location[0].numpy(), after.location[0].numpy())
    np.testing.assert_array_equal(before.y[:5].numpy(), after.y[:5].numpy())


def test_series_without_a_training_part_are_not_learned() -> None:
    table = make_table(("a", "b"))
    encoder = encoder_of(table, np.array([36, table.offsets[1]]))
    assert encoder.series == ["a"]
    assert encoder.vocabularies["kind"].words == ("kind 0",)
    assert encoder.target_mean.shape == (1, 2)
    assert encoder.static_scale[0].tolist() == [10.0]


def test_encoding_changes_neither_table_nor_encoder() -> None:
    table = make_table()
    encoder = encoder_of(table, ends(table))
    targets, text = table.targets.copy(), as_text(encoder)
    encoder.encode(table)
    np.testing.assert_array_equal(table.targets, targets)
    assert as_text(encoder) == text


# ------------------------------------------------------------------ leakage


NUMBERS = ("targets", "past", "known")
WORDS = ("past_categories", "known_categories")


def training_view(table: SeriesTable) -> tuple[str, list[torch.Tensor], int]:
    """All that training sees of a table: encoder, batches of its windows, season."""
    split = split_by_time(
        table.offsets,
        table.positions,
        (0.6, 0.2, 0.2),
        context=CONTEXT,
        horizon=HORIZON,
        common_clock=True,
        source="table",
    )
    encoder = encoder_of(table, split.train_end)
    starts = window_starts(*split.part("train"), split.start, context=CONTEXT, horizon=HORIZON)
    batch = Windows(encoder.encode(table), CONTEXT, HORIZON, starts).batch(slice(None))
    tensors = [v for v in vars(batch).values() if v is not None]
    season = find_season(table.targets, table.offsets, split.train_end, [4, 24])
    return as_text(encoder), tensors, season


def differs(a: tuple[str, list[torch.Tensor], int], b: tuple[str, list[torch.Tensor], int]) -> bool:
    bits = all(
        x.shape == y.shape and x.numpy().tobytes() == y.numpy().tobytes()
        for x, y in zip(a[1], b[1], strict=True)
    )
    return a[0] != b[0] or a[2] != b[2] or not bits


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from([*NUMBERS, *WORDS]),
    series=st.integers(0, 1),
    row=st.integers(0, 59),
    column=st.integers(0, 1),
    value=st.sampled_from([1e6, -5.0, float("nan")]),
)
def test_no_value_after_training_says_anything_to_the_training(
    name: str, series: int, row: int, column: int, value: float
) -> None:
    table = make_table()
    before = training_view(table)
    cells = getattr(table, name)
    cell = (series * 60 + row, column % cells.shape[1])
    cells[cell] = value if name in NUMBERS else "a word of its own"
    train_rows = 36  # of 60
    if row >= train_rows:
        assert not differs(before, training_view(table))
    elif not (name in NUMBERS and np.isnan(value)):
        # The same test sees a change inside the training part.
        assert differs(before, training_view(table))


def test_all_of_validation_and_test_at_once_says_nothing() -> None:
    table = make_table()
    before = training_view(table)
    for s in range(2):
        rows = slice(s * 60 + 36, s * 60 + 60)
        for name in NUMBERS:
            getattr(table, name)[rows] = 1e9
        for name in WORDS:
            getattr(table, name)[rows] = "unheard of"
    assert not differs(before, training_view(table))


def test_a_series_that_only_the_test_part_holds_says_nothing() -> None:
    table = make_table()
    other = make_table()
    # Series b begins when validation has ended: shift its clock.
    for t in (table, other):
        t.positions[60:] += 60
    other.targets[60:] *= 50
    other.static[1] = 1e6
    other.static_categories[1] = "a kind of its own"

    def encoder(t: SeriesTable) -> TableEncoder:
        split = split_by_time(
            t.offsets,
            t.positions,
            (0.5, 0.1, 0.4),
            context=CONTEXT,
            horizon=HORIZON,
            common_clock=True,
            source="table",
        )
        assert split.train_end.tolist() == [60, 60]
        return encoder_of(t, split.train_end)

    assert as_text(encoder(table)) == as_text(encoder(other))


# ------------------------------------------------------------------ storing


@pytest.mark.parametrize("calendar", [True, False])
def test_round_trip_through_json(calendar: bool) -> None:
    table = make_table()
    encoder = encoder_of(table, ends(table), calendar)
    again = TableEncoder.from_json(json.loads(as_text(encoder)))
    assert as_text(again) == as_text(encoder)
    assert again.schema == encoder.schema
    assert again.frequency.to_json() == encoder.frequency.to_json()
    later = make_table(("a", "c"), seed=3)
    for name, value in vars(encoder.encode(later)).items():
        other = getattr(again.encode(later), name)
        np.testing.assert_array_equal(np.asarray(value), np.asarray(other), err_msg=name)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("schema"),
        lambda d: d.pop("target_mean"),
        lambda d: d.update(target_mean=[[1.0]]),
        lambda d: d.update(target_std="much"),
        lambda d: d.update(vocabularies=None),
        lambda d: d.update(missing=3),
        lambda d: d.update(past_scale=[[1.0, 2.0], [1.0, 2.0]]),
        lambda d: d.update(static_scale=[[], []]),
        lambda d: d["series"].append("c"),
    ],
)
def test_a_damaged_encoder_is_refused(damage: Any) -> None:
    table = make_table()
    data = json.loads(as_text(encoder_of(table, ends(table))))
    damage(data)
    with pytest.raises((KeyError, TypeError, ValueError)):
        TableEncoder.from_json(data)


def test_a_constant_target_is_refused_by_name() -> None:
    table = make_table()
    train_end = ends(table)
    constant_in_training(table, train_end)
    for a, b in zip(table.offsets[:-1], train_end, strict=True):
        table.targets[a:b, 1] = [4.0] * 35 + [np.nan]
    with pytest.raises(DataError, match="target 'z' is constant"):
        constant_in_training(table, train_end)
    table.targets[1, 1] = 5.0
    constant_in_training(table, train_end)
