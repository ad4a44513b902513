"""How rare a residual is: known distributions come back, and what there is no telling of is not surprising."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from gatework.runtime.tails import KNOTS, MOST, REACH, RowTail, Tails, survival

Array = npt.NDArray[np.float64]
N = 50_000
LN10 = np.log(10.0)


def exponential(n: int = N, seed: int = 0) -> Array:
    return np.random.default_rng(seed).exponential(size=n)


def normal(n: int = N, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(n)


def spread(p: Array) -> Array:
    """Four standard errors of ln of a share p of N; a Pareto tail begins at 2 in 100 of them."""
    begin = np.maximum(p, 0.02)
    beyond = np.log(
        begin / p
    )  # in units of the scale; errors of scale and shape, Coles 2001, 4.3.2
    values = 0.02 * N
    return np.asarray(
        4 * (np.sqrt(1 / (begin * N)) + beyond * np.sqrt(2 / values) + beyond**2 / 2 / values**0.5)
    )


def one_column(told: Tails) -> Callable[[Array], Array]:
    return lambda x: np.asarray(told(x[:, None])[:, 0])


# ---- known distributions ------------------------------------------------------------------------------


def test_an_exponential_is_as_surprising_as_it_is_large() -> None:
    p = np.array([0.9, 0.5, 0.1, 0.03, 0.01, 0.001, 1e-4])
    x = -np.log(p)
    told = survival(exponential())(x)
    assert (np.abs(told - x) <= spread(p)).all()
    assert not (np.abs(told - 1.5 * x) <= spread(p)).all()
    # the table's lines between its knots: curvature x steps²/8
    table = one_column(Tails.fit(exponential()[:, None], 0))
    step = 2 * REACH / (KNOTS - 1)
    assert (np.abs(table(x) - x) <= spread(p) + step**2 / 8 * (1 + x)).all()


def test_both_sides_of_a_normal_number_count() -> None:
    z = np.array([0.1257, 0.6745, 1.645, 2.0])
    p = np.array([0.9, 0.5, 0.1, 0.0455])
    step = 2 * REACH / (KNOTS - 1)
    near = spread(p / 2) + step**2 / 8 * (1 + z * z)
    both = one_column(Tails.fit(normal()[:, None], 1))
    for side in (z, -z):
        assert (np.abs(both(side) + np.log(p)) <= near).all()
    upper = one_column(Tails.fit(normal()[:, None], 0))
    assert (np.abs(upper(z) + np.log(p / 2)) <= near).all()
    assert (upper(-z) < 0.7).all()


def test_columns_are_on_their_own() -> None:
    held = np.stack([normal(), exponential(), 100 * normal(seed=1)], 1)
    told = Tails.fit(held, 2)
    x = np.array([[3.0, 3.0, 3.0], [-3.0, 0.0, 300.0]])
    wanted = [one_column(Tails.fit(held[:, c : c + 1], int(c < 2)))(x[:, c]) for c in range(3)]
    np.testing.assert_allclose(told(x), np.stack(wanted, 1))
    np.testing.assert_allclose(told(x[0]), told(x)[0])
    assert np.array_equal(told(np.stack([x, x])), np.stack([told(x), told(x)]))


# ---- what can be held against any table ---------------------------------------------------------------


HELD = [
    normal(2000), exponential(300), np.round(normal(500)), np.ones(40), np.append(np.zeros(99), 5.0),
    1e-9 * normal(200), 1e5 * normal(99),
]  # fmt: skip


@pytest.mark.parametrize("held", HELD)
def test_surprise_rises_outwards_and_is_finite(held: Array) -> None:
    x = np.concatenate([-np.geomspace(1e7, 1e-9, 500), [0], np.geomspace(1e-9, 1e7, 500)])
    upper = one_column(Tails.fit(held[:, None], 0))(x)
    assert (np.diff(upper) >= 0).all()
    both = one_column(Tails.fit(held[:, None], 1))(x)
    lowest = int(both.argmin())
    assert (np.diff(both[: lowest + 1]) <= 1e-9).all()
    assert (np.diff(both[lowest:]) >= -1e-9).all()
    for told in (upper, both):
        assert (told >= 0).all()
        assert (told <= MOST).all()
    assert both[0] > 4
    assert both[-1] > 4


def test_what_was_not_measured_is_not_surprising() -> None:
    told = Tails.fit(np.stack([normal(), np.full(N, np.nan)], 1), 2)
    x = np.array([[np.nan, 50.0], [8.0, np.nan]])
    found = told(x)
    assert found[0].tolist() == [0, 0]
    assert found[1, 1] == 0
    assert found[1, 0] > 10
    assert np.isnan(x[0, 0])  # the argument stays as it was
    holes = np.where(np.random.default_rng(1).random(N) < 0.5, np.nan, normal())
    half, whole = Tails.fit(holes[:, None], 1), Tails.fit(normal()[:, None], 1)
    assert abs(float(half(np.array([[2.0]]))[0, 0] - whole(np.array([[2.0]]))[0, 0])) < 0.2


def test_of_few_values_there_is_no_telling() -> None:
    x = np.array([-1e3, 0.0, 1e3])
    assert (survival(normal(19))(x) == 0).all()
    assert (one_column(Tails.fit(normal(19)[:, None], 1))(x) == 0).all()
    assert survival(normal(20))(x)[2] > 2


def test_a_hair_beyond_a_bounded_channel_is_no_wonder() -> None:
    told = survival(np.minimum(np.random.default_rng(0).uniform(0, 1.2, 5000), 1.0))
    assert float(told(np.array([1.001]))[0]) < 12
    assert float(told(np.array([9.0]))[0]) > 12


def test_a_table_comes_back_from_its_numbers() -> None:
    told = Tails.fit(np.stack([normal(500), exponential(500)], 1), 1)
    again = Tails(told.table.copy())
    x = normal(100, 3).reshape(50, 2) * 4
    assert np.array_equal(again(x), told(x))
    assert told.table.dtype == np.float32


# ---- of whole rows ------------------------------------------------------------------------------------


def test_a_score_is_a_power_of_ten() -> None:
    held = exponential()
    told = RowTail.fit(held)
    p = np.array([0.5, 0.1, 0.03, 0.01, 0.001])
    assert (np.abs(told(-np.log(p)) + np.log10(p)) <= spread(p) / LN10).all()
    scores = np.asarray(told(held))
    for k in (1, 2, 3):
        share, wanted = float((scores >= k).mean()), 10.0**-k
        assert abs(share - wanted) <= 4 * np.sqrt(wanted / N) + 0.3 * wanted * (k > 1)


@pytest.mark.parametrize("held", [exponential(3000), np.full(50, 2.0), np.zeros(50), normal(30) - 5,
                                  np.append(np.zeros(500), 7.0), np.array([]), exponential(5)])  # fmt: skip
def test_scores_rise_and_one_row_is_as_many(held: Array) -> None:
    told = RowTail.fit(held)
    x = np.concatenate([[-1.0, 0.0], np.geomspace(1e-6, 1e6, 400), told.knots, told.knots + 1e-7])
    x.sort()
    found = np.asarray(told(x))
    assert (np.diff(found) >= -1e-9).all()
    assert (found >= 0).all()
    assert found[-1] > 3
    np.testing.assert_allclose([told.one(float(s)) for s in x], found, rtol=1e-9, atol=1e-9)


def test_knots_go_through_json() -> None:
    told = RowTail.fit(exponential(1000))
    knots, scores = json.loads(json.dumps([told.knots.tolist(), told.scores.tolist()]))
    again = RowTail(np.array(knots), np.array(scores))
    x = np.linspace(0, 100, 77)
    assert np.array_equal(again(x), told(x))
    assert again.one(3.3) == told.one(3.3)


def test_beyond_the_last_knot_scores_go_on_in_a_line() -> None:
    told = RowTail(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 3.0]))
    assert [told.one(s) for s in (-9, 0.5, 2, 3, 5, 103)] == pytest.approx([0, 1, 2.5, 3, 4, 53])
    assert np.asarray(told(np.array([5.0, 103.0]))).tolist() == pytest.approx([4, 53])


@pytest.mark.parametrize(
    ("knots", "scores"),
    [([0.0], [0.0]), ([0.0, 0.0], [0.0, 1.0]), ([1.0, 0.0], [0.0, 1.0]), ([0.0, 1.0], [1.0, 0.0])],
)
def test_knots_that_do_not_rise_are_refused(knots: list[float], scores: list[float]) -> None:
    with pytest.raises(ValueError, match="rising knots"):
        RowTail(np.array(knots), np.array(scores))
