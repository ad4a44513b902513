"""The labelling network: what an answer depends on, every cell and pooling, ensembles, mixup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gatework.data.encoders.base import SequenceBatch
from gatework.nn.sequence import Mix, SequenceMember, SequenceNetwork
from gatework.runtime.sequence_spec import POOLINGS, SEQUENCE_CELLS, SequenceSpec

sys.path.insert(0, str(Path(__file__).parent))
from labelled_networks import batch_of, convolved, cut, network_of, spec_of

EVERY_CELL = pytest.mark.parametrize("cell", SEQUENCE_CELLS)
CLOSE = {"rtol": 1e-4, "atol": 2e-6}


@EVERY_CELL
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("per_step", [False, True])
def test_every_cell_answers_and_learns(cell: str, causal: bool, per_step: bool) -> None:
    spec = spec_of(cell=cell, causal=causal, per_step=per_step, num_layers=2, dropout=0.2)
    network = network_of(spec).train()
    batch = batch_of(spec, 6, 1, 4)
    out = network(batch)
    assert out.shape == ((3, 6, 4) if per_step else (3, 4))
    assert torch.isfinite(out).all()
    out.square().sum().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        if "bias" not in name:
            assert p.grad.any(), name


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("strides", [(), (1,), (2, 1, 2)])
def test_every_pooling_answers_and_learns(
    pooling: str, causal: bool, strides: tuple[int, ...]
) -> None:
    spec = spec_of(pooling=pooling, causal=causal, **convolved(*strides))
    network = network_of(spec).train()
    out = network(batch_of(spec, 9, 1, 5))
    assert out.shape == (3, 4)
    out.square().sum().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "steps": {"per_step": True},
    "steps-convolved": {"per_step": True, **convolved(1, 1)},
    "strides": convolved(2, 1, 2),
    "feedforward": {"cell": "feedforward", "per_step": True, **convolved(1)},
    "mlstm": {"cell": "mlstm", "per_step": True},
    "slstm": {"cell": "slstm", "pooling": "attention"},
    "frames": {"size": 48, "frame": (3, 4, 4), "cardinalities": (), "pooling": "mean_max"},
    "tokens": {"size": 0, "pooling": "max"},
    "members": {"members": 3, "pooling": "last", **convolved(2)},
    "quantiles": {"outputs": 3, "levels": (0.1, 0.5, 0.9), "pooling": "attention"},
}
EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EVERY_CASE
@pytest.mark.parametrize("causal", [False, True])
def test_padding_and_companions_do_not_matter(case: dict[str, Any], causal: bool) -> None:
    spec = spec_of(causal=causal, **case)
    network, lengths = network_of(spec), (11, 3, 1, 8, 2, 4)
    batch = batch_of(spec, *lengths)
    with torch.no_grad():
        together = network(batch)
        for row, length in enumerate(lengths):
            alone = network(cut(batch, row, length))
            own = together[row, :length] if spec.per_step else together[row]
            torch.testing.assert_close(own, alone[0], **CLOSE)


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.get("per_step")])
def test_causal_answers_depend_on_nothing_later(case: dict[str, Any]) -> None:
    """The network sees a whole sequence whose end is another: answers up to there are the same."""
    spec = spec_of(causal=True, **case)
    network, batch = network_of(spec), batch_of(spec, 12, 12)
    exact = 1e-6 if spec.cell == "mlstm" else 0  # it adds up the steps of a chunk at once
    with torch.no_grad():
        before = network(batch)
        for t in (1, 5, 11):
            values, tokens = batch.values.clone(), batch.tokens.clone()
            values[:, t:], tokens[:, t:] = 9.0, 1
            after = network(SequenceBatch(values, tokens, batch.lengths, *_rest(batch)))
            torch.testing.assert_close(after[:, :t], before[:, :t], rtol=0, atol=exact)
            assert not torch.equal(after[:, t], before[:, t])


def _rest(batch: SequenceBatch) -> tuple[Any, Any]:
    return batch.targets, batch.numbers


@pytest.mark.parametrize("strides", [(1,), (2,), (4,), (2, 2), (2, 1, 2)])
def test_causal_outputs_inside_depend_on_nothing_later(strides: tuple[int, ...]) -> None:
    """Recurrent outputs, of strides too: the j-th sees the input up to j * stride and no further."""
    spec = spec_of(causal=True, **convolved(*strides))
    member: Any = network_of(spec).members[0]
    x = torch.randn(1, 13, member.convolutions.layers[0].in_channels)
    lengths = torch.tensor([13])

    def inside(x: torch.Tensor) -> torch.Tensor:
        found, own = member.convolutions(x, lengths)
        return member.recurrent(found, lengths=own)[0][0].detach()

    before = inside(x)
    assert len(before) == -(-13 // spec.stride)
    for t in range(13):
        other = x.clone()
        other[:, t:] += 5
        same = (inside(other) == before).all(-1)
        seen = -(-t // spec.stride)  # outputs that need no step from t on
        assert same[:seen].all()
        assert not same[seen:].any()


def test_a_network_of_both_directions_looks_ahead() -> None:
    spec = spec_of(per_step=True)
    network, batch = network_of(spec), batch_of(spec, 8)
    changed = batch.values.clone()
    changed[:, 7] += 5
    with torch.no_grad():
        before = network(batch)
        after = network(SequenceBatch(changed, batch.tokens, batch.lengths, *_rest(batch)))
    assert not torch.equal(before[:, 0], after[:, 0])


def test_a_feedforward_network_remembers_nothing() -> None:
    spec = spec_of(cell="feedforward", per_step=True)
    network, batch = network_of(spec), batch_of(spec, 8)
    with torch.no_grad():
        whole = network(batch)[0, 5]
        alone = network(SequenceBatch(
            batch.values[:, 5:6], batch.tokens[:, 5:6], torch.tensor([1]), *_rest(batch)
        ))[0, 0]  # fmt: skip
    torch.testing.assert_close(whole, alone)


def test_members_answer_with_the_mean_of_their_probabilities() -> None:
    spec = spec_of(members=3)
    network, batch = network_of(spec), batch_of(spec, 5, 2)
    with torch.no_grad():
        logits = [member(batch) for member in network.members]
        mean = torch.stack([x.softmax(-1) for x in logits]).mean(0)
        torch.testing.assert_close(network(batch), mean.log())
        torch.testing.assert_close(network.combine(logits), mean.log())
    assert not torch.allclose(logits[0], logits[1])
    assert network.combine(logits[:1]) is logits[0]


@pytest.mark.parametrize(
    "case",
    [
        {"outputs": 3, "levels": (0.1, 0.5, 0.9)},
        {"per_step": True, "crf": True},
    ],
    ids=["quantiles", "field"],
)
def test_members_of_numbers_answer_with_their_mean(case: dict[str, Any]) -> None:
    spec = spec_of(members=2, **case)
    network, batch = network_of(spec), batch_of(spec, 5, 2)
    with torch.no_grad():
        mean = torch.stack([member(batch) for member in network.members]).mean(0)
        torch.testing.assert_close(network(batch), mean)
    if spec.levels:
        assert (mean.diff(dim=-1) > 0).all()
    assert (network.crf is not None) == spec.crf


def test_mixup_mixes_what_is_seen_of_a_sequence() -> None:
    spec = spec_of()
    member: Any = network_of(spec).members[0]
    batch = batch_of(spec, 6, 3)
    x = member.embed(batch)
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.7, 0.6]))
    mixed = torch.empty_like(x)
    mixed[0] = 0.7 * x[0] + 0.3 * x[1]
    mixed[1] = 0.6 * x[1] + 0.4 * x[0]
    mixed[1, 3:] = 0  # behind its own end there is nothing
    torch.testing.assert_close(
        member(batch, mix), member.judge(mixed, batch.lengths), rtol=1e-5, atol=1e-6
    )
    itself = Mix(torch.tensor([0, 1]), torch.tensor([0.5, 0.9]))
    torch.testing.assert_close(member(batch, itself), member(batch), rtol=1e-5, atol=1e-6)


def test_padding_has_no_vector_and_gets_none() -> None:
    spec = spec_of()
    network = network_of(spec).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1)
    network(batch_of(spec, 6, 2)).square().sum().backward()
    optimiser.step()
    for table in network.members[0].tables:  # type: ignore[union-attr]
        assert not table.weight[0].any()
        assert table.weight[1].any()


def test_dropped_words_are_unknown_and_padding_stays() -> None:
    spec = spec_of(word_dropout=0.5)
    member: Any = network_of(spec).members[0]
    tokens = batch_of(spec, 400, 100).tokens
    torch.manual_seed(0)
    out = member._unknown(tokens)
    changed = (out != tokens).any(-1)
    assert (out[changed] <= 1).any(-1).all()
    assert (out[changed][:, 0] <= 1).all()
    assert (out[tokens == 0] == 0).all()
    words = tokens[..., 0] > 1
    assert abs(float(changed[words].float().mean()) - (1 - 0.5 * 0.75)) < 0.08
    batch = batch_of(spec, 5)
    assert torch.equal(member.embed(batch), member.eval().embed(batch))  # in training alone


@pytest.mark.parametrize("option", ["recurrent_dropout", "zoneout", "weight_drop", "dropout"])
def test_options_reach_the_layers_and_act_in_training_alone(option: str) -> None:
    spec = spec_of(num_layers=2, **{option: 0.5})
    network, batch = network_of(spec), batch_of(spec, 9, 4)
    with torch.no_grad():
        assert torch.equal(network(batch), network(batch))
        network.train()
        assert not torch.equal(network(batch), network(batch))


def test_one_short_sequence_alone_can_be_trained_on() -> None:
    """One step after the strides: there are no statistics to normalise with but those of before."""
    spec = spec_of(**convolved(2, 2))
    network = network_of(spec).train()
    for length in (1, 2, 4, 5):
        out = network(batch_of(spec, length))
        assert torch.isfinite(out).all()
        out.sum().backward()


def test_members_begin_with_weights_of_their_own() -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(spec_of(members=2))
    one, other = (dict(m.named_parameters()) for m in network.members)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    assert sum(isinstance(m, SequenceMember) for m in network.modules()) == 2
    assert not any(isinstance(m, nn.BatchNorm1d) for m in network.modules())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0, "cardinalities": ()}, "neither numbers nor tokens"),
        ({"size": -1}, "size must be from 0"),
        ({"outputs": 0}, "not a whole number from 1"),
        ({"hidden_size": 2**21}, "not a whole number from 1"),
        ({"members": True}, "not a whole number from 1"),
        ({"embedding_size": 0}, "embedding_size must be positive"),
        ({"cell": "lstmm"}, "unknown cell 'lstmm'"),
        ({"pooling": "sum"}, "unknown pooling 'sum'"),
        ({"filters": (3,), "widths": (3,), "strides": ()}, "differ in number"),
        ({"per_step": True, **convolved(2)}, "cannot move on by several"),
        ({"frame": (3, 4)}, "channels, height and width"),
        ({"frame": (3, 4, 4), "size": 47}, "has not 47 numbers"),
        ({"levels": (0.1, 0.5, 0.9)}, "levels and outputs differ"),
        ({"levels": (0.1, 0.9)}, "must contain 0.5"),
        ({"crf": True}, "needs a label for every step"),
    ],
)
def test_sizes_that_no_fit_makes_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of(**change)


def test_embedding_sizes_follow_the_words() -> None:
    spec = SequenceSpec(0, (30_000, 3, 50, 10_000), 2, embedding_size=64)
    assert spec.embedding_sizes == (64, 4, 14, 32)
    assert SequenceSpec(2, (), 2).embedding_sizes == ()
