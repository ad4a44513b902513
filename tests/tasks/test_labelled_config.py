"""Settings of what labels sequences: what is refused, and what is found from the data."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gatework.runtime.sequence_spec import SEQUENCE_CELLS
from gatework.tasks.labelled_config import (
    RATES,
    ClassifyConfig,
    LabelledConfig,
    batch_sequences,
    default_convolutions,
    default_folds,
)


@pytest.mark.parametrize("cell", SEQUENCE_CELLS)
@pytest.mark.parametrize("rate", RATES)
def test_a_rate_is_accepted_where_the_cell_has_a_use_for_it_alone(cell: str, rate: str) -> None:
    """What settings accept the network can be made of, which tests/nn sees."""
    none = {"feedforward": RATES, "mlstm": RATES}
    products = ("recurrent_dropout", "weight_drop")
    refused = none.get(cell, products if cell.startswith("min") else ())
    if rate in refused:
        with pytest.raises(ValidationError, match=rf"(?s){rate}.*{cell}|{cell}.*{rate}"):
            LabelledConfig(cell=cell, **{rate: 0.2})
    else:
        assert getattr(LabelledConfig(cell=cell, **{rate: 0.2}), rate) == 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "lstmm"}, "got 'lstmm'.*'lstm'"),
        ({"subsample": 3}, "must be a power of 2; got 3"),
        ({"folds": 1}, "folds must be 0, or 2 and more"),
        ({"folds": 3, "members": 2}, "each fold is a member"),
        ({"normalize": "item", "causal": True}, "needs the whole recording"),
        ({"dropout": 1.0}, "less than 1"),
        ({"pooling": "sum"}, "mean_max"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ClassifyConfig(**settings)


def test_folds_where_there_are_few_and_nothing_else_judges() -> None:
    plain = LabelledConfig()
    assert default_folds(plain, 100, has_validation=False) == 5
    assert default_folds(plain, 100, has_validation=True) == 0
    assert default_folds(plain, 10_000, has_validation=False) == 0
    assert default_folds(LabelledConfig(members=2), 100, has_validation=False) == 0
    assert default_folds(LabelledConfig(folds=3), 10_000, has_validation=True) == 3


def test_convolutions_follow_kind_and_length() -> None:
    plain = LabelledConfig()
    assert default_convolutions(plain, "text", 500, False) == ((), (), ())
    assert default_convolutions(plain, "series", 10, False) == ((), (), ())
    assert default_convolutions(plain, "series", 500, True) == ((), (), ())
    assert default_convolutions(plain, "series", 100, False)[2] == (1, 1, 1)
    assert default_convolutions(plain, "series", 500, False)[2] == (2, 2, 1)
    filters, widths, strides = default_convolutions(
        LabelledConfig(subsample=16, filters=8), "audio", 100, False
    )
    assert (filters, strides) == ((8,) * 4, (2,) * 4)
    assert len(widths) == 4


def test_batches_follow_the_number_of_sequences() -> None:
    sizes = [batch_sequences(LabelledConfig(), n) for n in (1, 500, 1000, 2500, 10**6)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (8, 64)
    assert set(sizes) <= {8, 16, 32, 64}
    assert batch_sequences(LabelledConfig(batch_size=3), 10**6) == 3
