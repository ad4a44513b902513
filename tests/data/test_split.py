"""Parts in time order: they cover, they do not overlap, and nobody knows another's future."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.split import Split, check_split, split_by_time
from gatework.errors import ConfigError, DataError


def split(
    lengths: list[int],
    parts: tuple[float, ...] | None = None,
    *,
    begins: list[int] | None = None,
    context: int = 4,
    horizon: int = 2,
    common_clock: bool = False,
) -> Split:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    begins = begins or [0] * len(lengths)
    positions = np.concatenate([b + np.arange(n) for b, n in zip(begins, lengths, strict=True)])
    return split_by_time(
        offsets,
        positions,
        parts,
        context=context,
        horizon=horizon,
        common_clock=common_clock,
        source="table.csv",
    )


# ------------------------------------------------------------------ one series


def test_the_default_shares() -> None:
    found = split([1000])
    assert found.part("train") == (np.array([0]), np.array([700]))
    assert found.part("validation") == (np.array([700]), np.array([800]))
    assert found.part("test") == (np.array([800]), np.array([1000]))


def test_row_counts_are_taken_as_they_are_and_leave_the_rest() -> None:
    found = split([17420], (8640, 2880, 2880), context=96, horizon=96)
    assert [int(v[0]) for v in (found.start, found.train_end, found.val_end, found.end)] == [
        0,
        8640,
        11520,
        14400,
    ]


def test_no_test_part_where_none_is_wanted() -> None:
    found = split([100], (0.8, 0.2, 0))
    assert (found.val_end == found.end).all()
    assert int(found.train_end[0]) == 80


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 400),
    context=st.integers(1, 60),
    horizon=st.integers(1, 30),
    shares=st.sampled_from([None, (0.7, 0.1, 0.2), (0.5, 0.25, 0.25), (0.8, 0.2, 0.0)]),
)
def test_every_part_holds_what_it_needs_or_the_error_says_how_much(
    n: int, context: int, horizon: int, shares: tuple[float, ...] | None
) -> None:
    tested = shares is None or shares[2] > 0
    needed = context + horizon * (3 if tested else 2)
    if n < needed:
        with pytest.raises(DataError) as error:
            split([n], shares, context=context, horizon=horizon)
        assert str(error.value).startswith("table.csv: ")
        assert f"{n} rows are too few" in str(error.value)
        assert f"need at least {needed} " in str(error.value)
        return
    found = split([n], shares, context=context, horizon=horizon)
    a, b, c, d = (int(v[0]) for v in (found.start, found.train_end, found.val_end, found.end))
    assert a == 0
    assert d == n
    assert b - a >= context + horizon
    assert c - b >= horizon
    assert d - c >= horizon if tested else d == c


# ------------------------------------------------------------------ several series


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 120), min_size=2, max_size=5),
    seed=st.integers(0, 1000),
    common=st.booleans(),
)
def test_parts_of_many_series_cover_in_order_and_do_not_overlap(
    lengths: list[int], seed: int, common: bool
) -> None:
    lengths[0] = 60
    begins = np.random.default_rng(seed).integers(-50, 50, len(lengths)).tolist()
    found = split(lengths, begins=begins, common_clock=common)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    np.testing.assert_array_equal(found.start, offsets[:-1])
    np.testing.assert_array_equal(found.end, offsets[1:])
    assert (found.start <= found.train_end).all()
    assert (found.train_end <= found.val_end).all()
    assert (found.val_end <= found.end).all()
    if not common:
        return
    # All are cut at the same instants: nothing that trains is later than anything that validates.
    positions = np.concatenate([b + np.arange(n) for b, n in zip(begins, lengths, strict=True)])
    seen: dict[str, list[int]] = {}
    for name in ("train", "validation", "test"):
        first, end = found.part(name)
        rows = np.concatenate([np.arange(a, b) for a, b in zip(first, end, strict=True)])
        seen[name] = positions[rows].tolist()
    assert max(seen["train"]) < min(seen["validation"])
    assert max(seen["validation"]) < min(seen["test"])


def test_step_numbers_are_no_common_clock() -> None:
    found = split([100, 50], begins=[0, 0])
    assert (found.train_end - found.start).tolist() == [70, 35]


def test_a_series_that_begins_late_has_no_training_part() -> None:
    found = split([100, 20], begins=[0, 80], common_clock=True)
    assert found.train_end.tolist() == [70, 100]
    assert found.val_end.tolist() == [80, 100]
    assert found.end.tolist() == [100, 120]


def test_the_longest_series_is_the_one_that_is_too_short() -> None:
    with pytest.raises(DataError, match="9 rows in the longest series are too few"):
        split([9, 5])


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((0.8, 0.2), "three parts"),
        ((0.5, 0.2, 0.2, 0.1), "got 4"),
        ((0.7, 0.1, 0.1), r"sum to 0\.9"),
        ((0.7, 0.4, 0.2), r"sum to 1\.3"),
        ((1, 1, 1), "sum to 3"),
        ((0, 0.5, 0.5), "training must not be empty"),
        ((-0.1, 0.6, 0.5), "negative"),
        ((float("nan"), 0.5, 0.5), "negative"),
        ((0.8, 0, 0.2), "validation part must not be empty"),
        ((800, 0, 100), "validation part must not be empty"),
        ((100, 0.5, 20), r"row counts; got .*100.*0\.5.*20"),
        ((0.7, 10, 20), r"row counts; got .*0\.7.*10.*20"),
        ((float("inf"), 10, 20), "finite"),
    ],
)
def test_splits_that_make_no_sense(parts: tuple[float, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^split: .*{said}"):
        check_split(parts)


def test_more_rows_than_there_are() -> None:
    with pytest.raises(DataError, match=r"asks for 120 rows, the table has 100"):
        split([100], (80, 20, 20))


@pytest.mark.parametrize("parts", [(5, 20, 20), (50, 1, 20), (50, 20, 1), (1, 20, 20)])
def test_row_counts_too_small_for_a_window_are_refused(parts: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^split: .* context \+ horizon = 6, .* horizon of 2"):
        split([100], parts, context=4, horizon=2)
    assert split([100], (6, 2, 2), context=4, horizon=2).end.tolist() == [10]
    assert split([100], (6, 2, 0), context=4, horizon=2).end.tolist() == [8]


def test_checked_parts_come_back_as_numbers() -> None:
    assert check_split(None) == (0.7, 0.1, 0.2)
    assert check_split([0.8, 0.2, 0]) == (0.8, 0.2, 0.0)
    assert check_split((8640, 2880, 2880)) == (8640.0, 2880.0, 2880.0)
