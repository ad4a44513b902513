"""``gatework inspect``: the page in a real browser, the description, and bad input."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
sys.path.insert(0, str(Path(__file__).parent))
from browser import browser, find
from conftest import SMALL, cycle

pytest.importorskip("plotly")

UNITS = "[...document.querySelectorAll('.plot')].find(p => p.data && p.data[2]?.type === 'heatmap')"


@pytest.fixture(scope="module")
def page(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gatework.cli.main import main

    to = tmp_path_factory.mktemp("page") / "gates.html"
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(fitted), str(fitted.parent / "good.csv"), "-o", str(to), "--quiet"])
    assert not ended.value.code
    return to


def test_the_page_in_a_real_browser(page: Path) -> None:
    executable = find()
    if executable is None:
        pytest.skip("no Chromium is installed: the page was not opened in a browser")
    with browser(executable) as tab:
        for width, dark in ((375, True), (1400, False)):
            tab.open(page, width=width, dark=dark)
            assert tab.problems == []
            asked = [
                r for r in tab.requests if not r.startswith("data:")
            ]  # plotly draws heat maps so
            assert asked == [page.resolve().as_uri()]
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value("[...document.querySelectorAll('.plot')].length") >= 5
            tab.requests.clear()


def test_units_are_sorted_in_the_page(page: Path) -> None:
    executable = find()
    if executable is None:
        pytest.skip("no Chromium is installed: the page was not opened in a browser")
    text = page.read_text(encoding="utf-8")
    spec = json.loads(text.split('data-for="figure-1">')[1].split("</script>")[0])
    maps = [t for t in spec["data"] if t.get("type") == "heatmap"]
    with browser(executable) as tab:
        tab.open(page, width=1400)
        for order in ("half-life", "similarity", "number"):
            tab.value(
                f"(s => {{ s.value = '{order}'; s.dispatchEvent(new Event('change')); }})"
                "(document.querySelector('select[data-sort]'))"
            )
            tab.value("new Promise(done => setTimeout(done, 200))")
            wanted = spec["sort"]["orders"][order]
            assert tab.value(f"{UNITS}.data[2].y") == [f"unit {u + 1}" for u in wanted]
            shown = tab.value(f"{UNITS}.data.filter(t => t.type === 'heatmap').map(t => t.z)")
            assert shown == [[m["z"][u] for u in wanted] for m in maps]
            # what is drawn, not only what was asked for: the first is on top
            assert tab.value(f"{UNITS}._fullLayout.yaxis2._categories") == [
                f"unit {u + 1}" for u in wanted
            ]
            low, high = tab.value(f"{UNITS}._fullLayout.yaxis2.range")
            assert low > high
        assert tab.problems == []


def test_what_is_found_as_json(run: Callable[..., Any], model: Path, table: Path) -> None:
    done = run("inspect", model, table, "--json", "--no-compare", "--window", "-1")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [s["target"] for s in found["shown"]] == ["load"]
    assert found["shown"][0]["future_times"][-1].startswith(
        "2024-01-09 07:00"
    )  # the table's last row
    assert len(found["layers"][0]["half_life"]) == 8
    assert {x["name"] for x in found["flow"]} == {
        "this model",
        "the same, untrained",
        "plain RNN, untrained",
    }
    for a in found["shown"][0]["attribution"]:
        assert sum(a["values"]) + a["residual"] == pytest.approx(a["change"], rel=1e-3, abs=1e-3)


def test_a_plain_rnn_stands_beside_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "plain RNN, trained" in text
    assert "Half of the units forget half of what they hold within" in text


def test_a_model_is_described_without_data(run: Callable[..., Any], model: Path) -> None:
    done = run("inspect", model)
    assert done.code == 0, done.err
    assert "8 inputs, 8 units, 1 layer" in done.out
    assert "bias of the forget gate: mean" in done.out
    assert "norm of weight_hh_l0" in done.out
    assert json.loads(run("inspect", model, "--json").out)["layers"][0]["cell"] == "lstm"


def test_bad_input_is_one_message(
    refused: Callable[..., str], model: Path, table: Path, tmp_path: Path
) -> None:
    page = tmp_path / "gates.html"
    refused("inspect", tmp_path / "nothing", table, "-o", page, says=["nothing"])
    refused("inspect", model, table, says=["-o gates.html", "--json"])
    refused("inspect", model, table, "-o", tmp_path / "gates.txt", says=["ends in .html"])
    refused("inspect", model, table, "-o", table, says=["is the table itself"])
    refused("inspect", model, "-o", page, says=["-o needs a table"])
    refused("inspect", model, table, "-o", page, "--window", "x", says=["--window", "'x'"])
    refused(
        "inspect",
        model,
        table,
        "-o",
        page,
        "--window",
        "9999",
        "--quiet",
        says=["no window 9999", "-1"],
    )
    refused(
        "inspect",
        model,
        table,
        "-o",
        page,
        "--series",
        "a",
        "--quiet",
        says=["one series", "--series"],
    )


def test_an_unknown_series_and_a_short_table(
    run: Callable[..., Any], refused: Callable[..., str], write: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [[*r, name] for name in ("north", "south") for r in cycle(120)]
    two = write("two.csv", rows, "time,load,meter")
    model = tmp_path / "two"
    assert (
        run("fit", "forecast", two, *SMALL, "--series", "meter", "-o", model, "--quiet").code == 0
    )
    refused(
        "inspect", model, two, "--json", "--series", "nort", "--quiet", says=["'nort'", "'north'"]
    )
    short = write("short.csv", rows[:9], "time,load,meter")
    refused("inspect", model, short, "--json", "--quiet", says=["fewer than context + horizon"])
    done = run("inspect", model, two, "--json", "--series", "south", "--no-compare")
    assert {s["series"] for s in json.loads(done.out)["shown"]} == {"south"}


def test_a_feedforward_model_has_no_gates(
    run: Callable[..., Any], refused: Callable[..., str], table: Path, tmp_path: Path
) -> None:
    model = tmp_path / "ff"
    fitted = run("fit", "forecast", table, *SMALL, "--cell", "feedforward", "-o", model, "--quiet")
    assert fitted.code == 0
    refused(
        "inspect",
        model,
        table,
        "--json",
        "--quiet",
        says=["feedforward", "no gates", "--cell lstm"],
    )
    assert "no recurrent layer" in run("inspect", model).out


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells(run: Callable[..., Any], table: Path, tmp_path: Path, cell: str) -> None:
    model, page = tmp_path / cell, tmp_path / "gates.html"
    more = ["--cell", cell, "--num-layers", "2"]
    assert run("fit", "forecast", table, *SMALL, *more, "-o", model, "--quiet").code == 0
    done = run("inspect", model, table, "-o", page)
    assert done.code == 0, done.err
    # the training of the plain RNN beside it is one line, not a log of its own
    assert len(done.err.splitlines()) == 1 + (cell != "rnn"), done.err
    text = page.read_text(encoding="utf-8")
    assert "layer 2" in text
    assert ("update gate z" in text) == (cell == "gru")
    assert ("no half-life follows" in text) == (cell == "rnn")
    shutil.rmtree(model)
