"""Options of every cell: what is drawn and how it acts, what is refused, saving, copying, compiling."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from every_cell import CASES, ENGINE, OPTIONS, PLAIN, ROWS, Case, given, natural
from layers import additions, close, states

from gatework.cells import Cell
from gatework.nn import GRU, LSTM, engine, make, operators, regularisers

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_cell = pytest.mark.parametrize("case", PLAIN, ids=str)
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
I, H = 3, 8  # noqa: E741


def having(option: str, cases: list[Case] = ENGINE) -> Any:
    """Cases with one option and nothing else."""
    return pytest.mark.parametrize(
        "case", [c for c in cases if option in c.options and c.name != "all"], ids=str
    )


# ------------------------------------------------------------------ zoneout


@having("zoneout")
def test_a_zoned_unit_keeps_its_very_bits(case: Case) -> None:
    """Of h and of c, step by step, where the mask is 1; elsewhere it is what the cell gives."""
    layer = case.make(I, H)
    x, hx = torch.randn(4, I, dtype=torch.float64), natural(layer, 4)
    kept = {"h": 0, "c": 0}
    for seed in range(20):
        torch.manual_seed(seed)
        drawn = regularisers.modifiers(layer, x.unsqueeze(1), 4)
        torch.manual_seed(seed)
        _, after = layer.step(x, given(case.row, hx))
        plain = Case(case.row, "plain", {}).make(I, H)
        plain.load_state_dict(layer.state_dict())
        _, free = plain.step(x, given(case.row, hx))
        for k, zone in enumerate((drawn.zone_h, drawn.zone_c)):
            if zone is None:
                assert k == 1, "zoneout of h was asked for"
                assert not case.row.zones
                continue
            mask = zone[:, 0] == 1
            assert (mask | (zone[:, 0] == 0)).all()
            kept["hc"[k]] += int(mask.sum())
            new, before = states(after)[k][0], hx[k][0]
            assert torch.equal(new[mask], before[mask])
            close(new[~mask], states(free)[k][0][~mask], additions(layer, 1))
    assert kept["h"] > 0


@having("zoneout")
def test_zoneouts_share_is_its_rate(case: Case) -> None:
    """Within four standard deviations of the mean of 24000 draws; each of h and c by its own."""
    layer = case.make(I, 60)
    drawn = regularisers.modifiers(layer, torch.zeros(20, 20, I, dtype=torch.float64), 20)
    for zone, rate in zip((drawn.zone_h, drawn.zone_c), layer.zoneout, strict=True):
        if zone is None:
            assert rate == 0
            continue
        spread = (rate * (1 - rate) / zone.numel()) ** 0.5
        assert abs(float(zone.mean()) - rate) < 4 * spread
        assert len(torch.unique(zone, dim=1)) > 0
        # another draw in each step, for each sequence and unit
        for axis in range(3):
            assert zone.std(axis).max() > 0


@having("zoneout")
def test_in_evaluation_zoneout_is_the_mean(case: Case) -> None:
    """rate * old + (1 - rate) * new, and nothing is drawn."""
    layer = case.make(I, H).eval()
    plain = Case(case.row, "plain", {}).make(I, H).eval()
    plain.load_state_dict(layer.state_dict())
    x, hx = torch.randn(4, I, dtype=torch.float64), natural(layer, 4)
    before = torch.get_rng_state()
    found = states(layer.step(x, given(case.row, hx))[1])
    assert torch.equal(torch.get_rng_state(), before)
    new = states(plain.step(x, given(case.row, hx))[1])
    for a, b, old, rate in zip(found, new, hx, layer.zoneout, strict=False):
        close(a, rate * old + (1 - rate) * b, additions(layer, 1))
    for a, b in zip(found[2:], new[2:], strict=True):
        assert torch.equal(a, b)


# ------------------------------------------------------------------ recurrent dropout, weight drop


@having("recurrent_dropout")
def test_a_recurrent_mask_is_constant_in_time(case: Case) -> None:
    """One mask a sequence, all sequences differ, its mean is 1, its zeros are the rate."""
    layer = Case(case.row, "wide", {"recurrent_dropout": 0.4}).make(I, 60)
    rate = layer.recurrent_dropout
    scale = regularisers.modifiers(layer, torch.zeros(20, 5, I, dtype=torch.float64), 20).scale
    assert scale is not None
    assert (scale == scale[:, :1]).all()
    assert len(torch.unique(scale[:, 0], dim=0)) == 20
    dropped = scale[:, 0] == 0
    close(scale[:, 0][~dropped], torch.full_like(scale[:, 0][~dropped], 1 / (1 - rate)), 1)
    n = dropped.numel()
    assert abs(float(dropped.double().mean()) - rate) < 4 * (rate * (1 - rate) / n) ** 0.5


@having("recurrent_dropout")
def test_recurrent_dropout_spares_the_first_step_and_evaluation(case: Case) -> None:
    """From a state of zeros there is nothing to drop; in evaluation nothing is."""
    layer = case.make(I, H)
    keeps = {k: v for k, v in case.options.items() if k == "proj_size"}
    plain = Case(case.row, "plain", keeps).make(I, H)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(4, 5, I, dtype=torch.float64)
    if "weight_drop" not in case.options:
        assert torch.equal(layer(x)[0][:, 0], plain(x)[0][:, 0])
    assert not torch.equal(layer(x)[0], plain(x)[0])
    assert torch.equal(layer.eval()(x)[0], plain.eval()(x)[0])


@having("weight_drop")
def test_weight_drop_is_dropout_of_the_recurrent_matrix(case: Case) -> None:
    layer = case.make(I, H)
    keeps = {k: v for k, v in case.options.items() if k != "weight_drop"}
    x = torch.randn(2, 4, I, dtype=torch.float64)
    torch.manual_seed(3)
    y = layer(x)[0]
    torch.manual_seed(3)
    twin = Case(case.row, "twin", keeps).make(I, H)
    twin.load_state_dict(layer.state_dict())
    torch.manual_seed(3)
    with torch.no_grad():
        dropped = torch.nn.functional.dropout(layer.weight_hh_l0, layer.weight_drop)
        twin.weight_hh_l0.copy_(dropped)
    assert (dropped == 0).any()
    close(y, twin(x)[0], additions(layer, 4))
    layer.zero_grad()
    torch.manual_seed(3)
    layer(x)[0].sum().backward()
    assert not layer.weight_hh_l0.grad[dropped == 0].any()
    assert layer.weight_hh_l0.grad[dropped != 0].any()


@every_case
def test_the_same_seed_is_the_same_result(case: Case) -> None:
    layer = case.make(I, H)
    x = torch.randn(3, 5, I, dtype=torch.float64)

    def run(seed: int) -> Tensor:
        torch.manual_seed(seed)
        y: Tensor = layer(x)[0]
        return y

    assert torch.equal(run(1), run(1))
    draws = {"zoneout", "recurrent_dropout", "weight_drop", "dropout"} & set(case.options)
    assert torch.equal(run(1), run(2)) != bool(draws)
    layer.eval()
    assert torch.equal(run(1), run(2))


# ------------------------------------------------------------------ options that change what is computed


@pytest.mark.parametrize("case", [c for c in ENGINE if c.name == "plain"], ids=str)
def test_forget_bias(case: Case) -> None:
    """Sets the forget gates' bias where there are any; elsewhere it says that there are none."""
    row = case.row
    if "f" not in row.x_gates:
        with pytest.raises(
            ValueError, match=r"`forget_bias` was given, this layer has no forget gate"
        ):
            make(row.name, I, H, forget_bias=1.0)
        return
    with pytest.raises(ValueError, match="has no biases"):
        make(row.name, I, H, bias=False, forget_bias=1.0)
    layer = make(row.name, I, H, 2, bidirectional=True, forget_bias=2.5)
    at = row.x_gates.index("f") * H
    for name, p in layer.named_parameters():
        if name.startswith("bias_ih"):
            assert (p[at : at + H] == 2.5).all()
            assert not (torch.cat([p[:at], p[at + H :]]) == 2.5).any()
        if name.startswith("bias_hh"):
            assert not p[at : at + H].any()


@pytest.mark.parametrize("case", [c for c in ENGINE if c.name == "plain"], ids=str)
def test_the_forget_gate_begins_open(case: Case) -> None:
    """In every layer that is made by its cell's name."""
    row = case.row
    if "f" in row.x_gates:
        at, layer = row.x_gates.index("f") * H, make(row.name, I, H)
        if "bias_f" in row.parameters:  # behind the normalisation
            assert (layer.weight_p_l0[row.parameters.index("bias_f")] == 1).all()
            return
        assert (layer.bias_ih_l0[at : at + H] == 1).all()


@every_cell
def test_a_first_layers_input_is_not_added(case: Case) -> None:
    """Even where the widths are equal; one layer is as without ``residual``."""
    x = torch.randn(2, 4, H, dtype=torch.float64)
    plain = case.make(H, H)
    if not any(c.row is case.row and c.name == "residual" for c in CASES):
        return  # refused, see below
    skipping = Case(case.row, "residual", {"residual": True}).make(H, H)
    skipping.load_state_dict(plain.state_dict())
    assert torch.equal(skipping(x)[0], plain(x)[0])


# ------------------------------------------------------------------ refusals


@every_row
@pytest.mark.parametrize("option", ["zoneout", "recurrent_dropout", "weight_drop"])
def test_a_rate_outside_0_to_1_is_refused(row: Cell, option: str) -> None:
    for rate in (1.0, -0.1, True, float("nan"), "half"):
        with pytest.raises((ValueError, TypeError), match=option):
            make(row.name, I, H, **{option: rate})


@every_row
def test_what_makes_no_sense_is_refused(row: Cell) -> None:
    """By name, with what to do; what a case above has is not refused."""
    has = {option for case in CASES if case.row is row for option in case.options}
    for option in set().union(*OPTIONS.values()) - has:
        with pytest.raises((ValueError, TypeError), match=rf"{option}|projection|products with h"):
            make(row.name, I, H, **{option: OPTIONS["all"].get(option, 2)})
    with pytest.raises((ValueError, TypeError), match="mumble"):
        make(row.name, I, H, mumble=3)
    if row.code is not None and not row.zones:
        with pytest.raises(ValueError, match=r"zoneout of c .* Give zoneout=\(0\.1, 0\)"):
            make(row.name, I, H, zoneout=(0.1, 0.1))
    if row.code is not None:
        with pytest.raises(ValueError, match="one rate, or a pair"):
            make(row.name, I, H, zoneout=(0.1, 0.1, 0.1))


def test_heads_must_divide_the_units() -> None:
    for case in ENGINE:
        if "num_heads" in case.options and case.name != "all":
            with pytest.raises(ValueError, match=r"`num_heads` must divide hidden_size=8; got 3\."):
                make(case.row.name, I, H, num_heads=3)


def test_zoneout_does_not_go_with_a_projection() -> None:
    for row in ROWS:
        if row.projects:
            with pytest.raises(ValueError, match="zoneout does not go with a projection"):
                make(row.name, I, H, proj_size=2, zoneout=0.1)


@every_cell
def test_a_state_of_another_kind_is_refused(case: Case) -> None:
    layer = case.make(I, H)
    x, hx = torch.randn(2, 3, I, dtype=torch.float64), natural(layer, 2)
    wrong: Any = hx[0] if case.row.has_c else (hx[0], hx[0])
    for call in (lambda: layer(x, wrong), lambda: layer.fan_out(x, wrong)):
        with pytest.raises(TypeError, match=type(layer).__name__):
            call()
    with pytest.raises(ValueError, match=type(layer).__name__):
        layer(x, given(case.row, [s[..., :-1] for s in hx]))
    with pytest.raises(ValueError, match=f"input_size={I}"):
        layer(x[..., :-1])


# ------------------------------------------------------------------ saved, copied, compiled


@every_case
def test_saving_and_copying(case: Case) -> None:
    """state_dict in a file, pickle, deepcopy: the same bits, and the same draws."""
    layer = case.make(I, H)
    x = torch.randn(2, 4, I, dtype=torch.float64)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = case.make(I, H, seed=1)
    assert not torch.equal(other.eval()(x)[0], layer.eval()(x)[0])
    other.load_state_dict(torch.load(file, weights_only=True))
    for twin in (other, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert repr(twin) == repr(layer)
        for training in (False, True):
            found = []
            for each in (layer.train(training), twin.train(training)):
                torch.manual_seed(1)
                y, last = each(x)
                found.append((y, *states(last)))
            assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@every_case
def test_repr_says_the_options(case: Case) -> None:
    text = repr(case.make(I, H))
    for option, value in case.options.items():
        if option == "peepholes" and case.row.name == "peephole":
            continue
        assert f"{option}={value}" in text


@pytest.mark.parametrize("case", [c for c in ENGINE if c.name == "all"], ids=str)
def test_compiled_is_eager(case: Case) -> None:
    """torch.compile with the whole graph in one piece; without draws, which Dynamo seeds otherwise."""
    torch._dynamo.reset()
    layer = case.make(I, H).eval()
    x, hx = torch.randn(3, 4, I, dtype=torch.float64), given(case.row, natural(layer, 3))
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    y, last = layer(x, hx)
    wanted = torch.autograd.grad(y.square().sum(), list(layer.parameters()), allow_unused=True)
    again, end = compiled(x, hx)
    found = torch.autograd.grad(again.square().sum(), list(layer.parameters()), allow_unused=True)
    pairs = zip((y, *states(last), *wanted), (again, *states(end), *found), strict=True)
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            close(b, a, additions(layer, 4) * 3)


@pytest.mark.parametrize("case", [c for c in ENGINE if c.name == "plain"], ids=str)
def test_the_operator_with_modifiers_keeps_torchs_promises(case: Case) -> None:
    """Schema, shapes without data, and autograd as torch.library's own check wants them."""
    row, layer = case.row, case.make(2, 3)
    rows = (2, 3, 3)
    scale = torch.rand(rows, dtype=torch.float64, requires_grad=True) if row.h_gates else None
    zones = [torch.rand(rows, dtype=torch.float64) for _ in range(2)]
    hx = natural(layer, 2)
    c0 = torch.cat(hx[1:], -1).requires_grad_() if row.has_c else None
    torch.library.opcheck(
        torch.ops.gatework.recurrent.default,
        (
            torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True),
            hx[0].requires_grad_(),
            c0,
            list(layer.parameters()),
            torch.tensor([3, 1]),
            None,
            None,
            row.code,
            1,
            True,
            True,
            scale,
            zones[0],
            zones[1] if row.zones else None,
            False,
        ),
        test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
    )


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("case", [c for c in ENGINE if c.name == "plain"], ids=str)
def test_gradient_of_the_scale(case: Case, decay: bool) -> None:
    """By finite differences, of a scale that differs from step to step, beside every mixture."""
    row, layer = case.row, case.make(2, 3)
    hx = natural(layer, 2)
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    scale = torch.rand(2, 3, 3, dtype=torch.float64) + 0.5
    zones = [torch.rand(2, 3, 3, dtype=torch.float64) for _ in range(2)]
    c0 = torch.cat(hx[1:], -1) if row.has_c else None
    lengths = torch.tensor([3, 2])

    def run(x: Tensor, h0: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        modifiers = engine.Modifiers(scale, zones[0], zones[1] if row.zones else None, decay)
        assert row.code is not None
        found = operators.recurrent(
            x, h0, c0, list(layer.parameters()), lengths, None, None, row.code, 1, True, modifiers
        )
        return tuple(t for t in found if t is not None)

    arguments = (x.requires_grad_(), hx[0].requires_grad_(), scale.requires_grad_())
    assert torch.autograd.gradcheck(run, arguments, fast_mode=True)


# ------------------------------------------------------------------ the checkers are checked


def test_a_wrong_mask_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask that changes in time is not recurrent dropout; one rate for another is not zoneout."""
    right = regularisers.modifiers

    def spoilt(layer: Any, x: Tensor, B: int) -> Any:
        found = right(layer, x, B)
        if found.scale is not None:
            return found._replace(scale=found.scale * (torch.rand_like(found.scale) > 0.5))
        return found._replace(zone_h=(torch.rand_like(found.zone_h) > 0.5).to(x.dtype))

    monkeypatch.setattr(regularisers, "modifiers", spoilt)
    dropped = next(c for c in ENGINE if c.name == "recurrent-dropout")
    zoned = next(c for c in ENGINE if c.name == "zoneout")
    with pytest.raises(AssertionError):
        test_a_recurrent_mask_is_constant_in_time(dropped)
    with pytest.raises(AssertionError):
        test_zoneouts_share_is_its_rate(zoned)


def test_drop_in_layers_take_torchs_bias() -> None:
    torch.manual_seed(0)
    ours = LSTM(I, H)
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(I, H)
    assert all(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
    assert "forget" not in repr(GRU(I, H))
