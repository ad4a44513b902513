"""The report: complete, escaped, offline, honest, and readable in a real browser."""

from __future__ import annotations

import copy
import json
import math
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import MissingDependencyError
from gatework.report import page
from gatework.report.forecast import render
from gatework.report.page import Html

sys.path.insert(0, str(Path(__file__).parent))
from browser import browser, find

pytest.importorskip("plotly")

EVIL = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>"
SECTIONS = (
    ["headline", "forecasts", "scores", "steps", "calibration", "training", "data", "cost", "use", "words"]
)  # fmt: skip
HORIZON, SHOWN = 6, 12


def scores(factor: float, targets: list[str], covered: float) -> dict[str, Any]:
    """Scores as `ForecastScores.table` writes them."""
    one = {"MAE": 2 * factor, "RMSE": 3 * factor, "MASE": factor, "sMAPE": 9 * factor,
           "WQL": 0.1 * factor, "scaled_MSE": factor, "scaled_MAE": factor}  # fmt: skip
    bands = {"coverage_90": covered, "coverage_80": covered - 0.1, "coverage_50": covered - 0.4}
    widths = {"width_90": 8.0, "width_80": 6.0, "width_50": 3.0}
    steps = {
        k: [v * (i + 1) / HORIZON for i in range(HORIZON)]
        for k, v in one.items()
        if k in "MAE RMSE WQL"
    }
    steps |= {k: [v] * HORIZON for k, v in bands.items()}
    return {
        "overall": {**one, **bands, "n": 600},
        "targets": {t: {**one, **bands, **widths, "n": 600} for t in targets},
        "horizon": dict.fromkeys(targets, steps),
    }


def example(target: str, series: str | None = None) -> dict[str, Any]:
    """A forecast of hours, one value of the truth missing."""
    stamps = [f"2024-03-{1 + i // 24:02d} {i % 24:02d}:00:00" for i in range(SHOWN + HORIZON)]
    wave = [round(10 + 3 * math.sin(i), 3) for i in range(SHOWN + HORIZON)]
    mean = wave[SHOWN:]
    truth: list[float | None] = [v + 0.4 for v in mean]
    truth[2] = None
    levels = {0.05: -2, 0.1: -1.5, 0.25: -0.5, 0.5: 0, 0.75: 0.5, 0.9: 1.5, 0.95: 2}
    return {
        "series": series, "target": target, "context_times": stamps[:SHOWN], "context": wave[:SHOWN],
        "times": stamps[SHOWN:], "truth": truth, "mean": mean,
        "quantiles": {f"{q:g}": [m + d for m in mean] for q, d in levels.items()},
    }  # fmt: skip


def metrics(
    *targets: str, factor: float = 0.7, covered: float = 0.9, windows: int = 100
) -> dict[str, Any]:
    """The content of a `metrics.json`; the model's error is `factor` times the naive forecast's."""
    names = list(targets or ("load",))
    fact = {"role": "target", "missing": 7, "min": -4.0, "max": 46.0, "mean": 14.4}
    part = {"rows": 700, "windows": 600, "from": "2024-01-01 00:00:00", "to": "2024-02-01 00:00:00"}
    verdict = (
        "The model beats every naive forecast; its MAE is 30 % below that of the best of them (naive)."
        if factor < 1
        else f"The model does NOT beat naive on {names[0]} (MAE, RMSE)."
    )
    return {
        "title": None,
        "source": "meters.csv",
        "context": 48,
        "calibration": "shift",
        "settings": {"horizon": HORIZON, "cell": "lstm", "levels": [0.05, 0.5, 0.95], "calibrate": None},
        "gatework_version": "0.1.0",
        "evaluation": {
            "windows": windows,
            "season": 24,
            "model": scores(factor, names, covered),
            "baselines": {
                "naive": scores(1.0, names, 0.88),
                "seasonal naive": scores(1.2, names, 0.93),
                "drift": scores(1.3, names, 0.88),
            },
            "verdict": verdict,
        },
        "profile": {
            "rows": 1000, "series": 1, "span": ["2024-01-01 00:00", "2024-03-01 00:00"],
            "frequency": "1 hour", "columns": dict.fromkeys(names, fact),
            "gaps": {"count": 2, "missing_steps": 5, "largest": 4, "after": "2024-01-05", "in_series": None},
            "irregular_share": 0.0, "snapped": 0, "duplicates_mended": 3, "unsorted_mended": 0,
            "not_used": ["comment"],
        },
        "notes": ["time column: date (hourly)"],
        "split": {"train": part, "validation": part, "test": part},
        "season": 24,
        "targets": names,
        "examples": [example(n) for n in names for _ in range(2)],
        "cost": {
            "fit_seconds": 134.0, "judge_seconds": 0.3, "steps_per_second": 50.2,
            "windows_per_second": 12851.7, "parameters": 15616, "predict_ms": 0.63, "threads": 1,
        },
        "training": {
            "history": [
                {"epoch": i, "train_loss": 1 / i, "validation": 0.5 + abs(i - 3), "learning_rate": 1e-3,
                 "seconds": 1.0, "steps": 30, "best": i <= 3}
                for i in range(1, 6)
            ],
            "best_epoch": 3, "best_score": 0.5, "seconds": 5.0, "stopped": "early", "undone_steps": 2,
            "steps_per_second": 50.2,
        },
    }  # fmt: skip


class Reader(HTMLParser):
    """The elements of a page, and its text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside[-1:]):
            self.text += data.replace("\u00a0", " ")

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the five megabytes of plotly.js."""
    monkeypatch.setattr(page, "plotly_source", lambda: Html("/* plotly */"))


def specs(text: str) -> list[dict[str, Any]]:
    """The plotly specifications of a page."""
    found = re.findall(r'<script type="application/json" data-for="[\w-]+">(.*?)</script>', text)
    return [json.loads(spec) for spec in found]


@pytest.mark.usefixtures("small")
def test_sections_stand_in_order_and_tell_what_the_model_did() -> None:
    read = Reader(render(metrics()))
    assert [s["id"] for s in read.all("section")] == SECTIONS
    assert [a["href"] for a in read.all("a")[1:]] == [f"#{s}" for s in SECTIONS]
    for said in (
        "Forecast of load", "6 hours ahead, from the last 48 hours (2 days)",
        "meters.csv", "30 % less", "±1.4", "90.0 %", "2 min 14 s",
        "15,616", "0.63 ms", "2 training steps", "after epoch 3 of 5", "Training stopped early",
        "2 gaps, 5 missing steps; the largest 4 hours after 2024-01-05", "7 (0.7 %)", "comment",
        "24 hours (1 day)", "2024-01-01 00:00", "gatework predict model", "MASE, mean absolute scaled error",
    ):  # fmt: skip
        assert said in read.text, said


@pytest.mark.usefixtures("small")
def test_the_best_of_each_column_is_bold() -> None:
    text = render(metrics())
    row = re.search(r"<tr><th[^>]*><span class=\"own\">model</span></th>(.*?)</tr>", text)
    assert row is not None
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1])
    assert [c.startswith("<strong>") for c in cells] == [True] * 6 + [True, True, False]
    naive = re.search(r"<tr><th[^>]*>naive</th>(.*?)</tr>", text)
    assert naive is not None
    assert "<strong>" not in naive[1]
    assert "30\u00a0% smaller" in naive[1]


@pytest.mark.usefixtures("small")
def test_text_from_the_data_stays_text() -> None:
    content = metrics(EVIL, "</script>", '"><b>', "\ud800\x00&lt;")
    content |= {"title": EVIL, "source": EVIL, "notes": [EVIL], "gatework_version": EVIL}
    content["settings"] |= {"cell": EVIL, EVIL: EVIL}
    content["profile"] |= {"frequency": EVIL, "not_used": [EVIL], "span": [EVIL, EVIL]}
    content["split"] = {EVIL: {"from": EVIL, "to": EVIL}}
    content["examples"][0] |= {"series": EVIL, "times": [EVIL] * HORIZON}
    content["evaluation"]["verdict"] = EVIL
    content["evaluation"]["baselines"][EVIL] = scores(2.0, content["targets"], 0.5)
    text = render(content)
    text.encode("utf-8")
    read = Reader(text)
    plain = Reader(render(metrics("a", "b", "c", "d")))
    assert not read.all("img")
    assert not read.all("b")
    assert len(read.all("script")) == len(plain.all("script"))
    assert EVIL in read.text
    assert "onerror" not in "".join(json.dumps(s) for s in specs(text))


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = render(metrics("a", "b"))
    source = str(page.plotly_source())
    assert text.count(source) == 1, "plotly.js stands in the page once"
    own = text.replace(source, "")
    assert "http" not in own.replace("http-equiv", "")
    assert "url(" not in own
    assert "@import" not in own
    read = Reader(own)
    assert not any("src" in attributes for _, attributes in read.elements)
    assert {a["href"][:1] for a in read.all("a") if a["href"]} == {"#"}
    assert not read.all("link")
    policy = next(m for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert (policy["content"] or "").startswith("default-src 'none'")


@pytest.mark.usefixtures("small")
def test_a_model_that_does_not_beat_a_baseline_is_said_to() -> None:
    text = render(metrics(factor=1.1))
    assert 'class="verdict lost"' in text
    said = Reader(text).text
    assert "Does not beat the naive forecast." in said
    assert "load: not better than naive (MAE, RMSE)" in said
    assert "10 % more" in said
    assert 'class="verdict won"' in render(metrics())


@pytest.mark.usefixtures("small")
def test_some_targets_lost_and_small_leads_are_told_apart() -> None:
    content = metrics("a", "b", "c", "d")
    content["evaluation"]["model"]["targets"]["b"]["RMSE"] = 99.0
    said = Reader(render(content)).text
    assert "1 of 4 targets fall short" in said
    assert "b: not better than naive (RMSE), not better than seasonal naive (RMSE)" in said
    narrow = render(metrics(factor=0.99))
    assert 'class="verdict wary"' in narrow
    assert "can be chance" in narrow
    bands = metrics()
    bands["evaluation"]["model"]["targets"]["load"]["WQL"] = 9.0
    assert "Its bands, though, are worse than those of drift, naive" in Reader(render(bands)).text


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("covered", "said"),
    [(0.90, "at its word"), (0.97, "wider than it needs"), (0.81, "a band of about 81 %")],
)
def test_bands_are_judged_against_what_they_claim(covered: float, said: str) -> None:
    assert said in Reader(render(metrics(covered=covered))).text


@pytest.mark.usefixtures("small")
def test_bands_without_calibration_are_said_to_be() -> None:
    content = metrics(covered=0.8) | {"calibration": None}
    assert "validation part is too short" in Reader(render(content)).text
    content["settings"]["calibrate"] = False
    assert "calibration was switched off" in Reader(render(content)).text


@pytest.mark.usefixtures("small")
def test_bands_are_judged_target_by_target() -> None:
    content = metrics("a", "b")
    content["evaluation"]["model"]["targets"]["a"]["coverage_90"] = 0.8
    content["evaluation"]["model"]["targets"]["b"]["coverage_90"] = 1.0
    assert "too narrow on a and wider than it needs to be on b" in Reader(render(content)).text


@pytest.mark.usefixtures("small")
def test_without_a_test_part_the_report_says_that_nothing_was_judged() -> None:
    content = metrics(windows=0)
    content["evaluation"]["model"] = {
        "overall": {"n": 0},
        "targets": {"load": {"MAE": None, "n": 0}},
        "horizon": {},
    }
    text = render(content)
    assert 'class="verdict unjudged"' in text
    assert "validation part, by which the best epoch was chosen" in Reader(text).text
    assert [s["id"] for s in Reader(text).all("section")] == SECTIONS


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of nested mappings and lists stands; of a list the first."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*at, key))
    elif isinstance(value, list) and value:
        yield from paths(value[0], (*at, 0))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "odd",
    [
        None,
        "odd",
        "",
        [],
        [None],
        {},
        {"a": None},
        math.nan,
        -1,
        True,
        pytest.param(10**400, id="vast"),
    ],
)
def test_any_key_may_be_odd(odd: object) -> None:
    for path in paths(metrics()):
        content = metrics()
        within: Any = content
        for key in path[:-1]:
            within = within[key]
        within[path[-1]] = odd
        assert "</html>" in render(content), path


@pytest.mark.usefixtures("small")
def test_any_key_may_be_missing() -> None:
    for path in paths(metrics()):
        content = metrics()
        within: Any = content
        for key in path[:-1]:
            within = within[key]
        del within[path[-1]]
        assert "</html>" in render(content), path
    assert "Not judged" in render({})


@pytest.mark.usefixtures("small")
def test_the_metrics_are_left_as_they_were() -> None:
    content = metrics()
    before = copy.deepcopy(content)
    render(content)
    assert content == before


@pytest.mark.usefixtures("small")
def test_times_of_every_kind_find_a_place() -> None:
    places = []
    for stamps in (["2024-01-01", "2024-01-02"], ["7", "8"], ["spring", "summer"], ["nan", "inf"]):
        content = metrics()
        content["examples"] = [
            {"target": "load", "context_times": [], "context": [], "times": stamps, "truth": [1, None],
             "mean": [1, 2], "quantiles": {"0.05": [0, 1], "0.95": [2, 3]}}
        ]  # fmt: skip
        places.append(specs(render(content))[0]["data"][-1]["x"])
    assert places == [["2024-01-01", "2024-01-02"], [7.0, 8.0], [1.0, 2.0], [0.0, 1.0]]


@pytest.mark.usefixtures("small")
def test_figures_have_words_and_specifications_that_plotly_accepts() -> None:
    from plotly import graph_objects

    text = render(metrics("a", "b"))
    found = specs(text)
    assert len(found) == 2 * 2 + 2 + 2 + 1
    for spec in found:
        graph_objects.Figure(spec)
    plots = [d for d in Reader(text).all("div") if (d.get("class") or "").startswith("plot")]
    assert len(plots) == len(found)
    assert all(p["role"] == "img" and len(p["aria-label"] or "") > 40 for p in plots)


@pytest.mark.usefixtures("small")
def test_tables_have_scopes_and_captions() -> None:
    read = Reader(render(metrics("a", "b")))
    assert all(th["scope"] in ("col", "row") for th in read.all("th"))
    assert len(read.all("caption")) == len(read.all("table"))
    labels = [d for d in read.all("div") if d.get("class") == "scroll"]
    assert all(d["tabindex"] == "0" and d["aria-label"] for d in labels)


def test_without_plotly_one_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'gatework\[report\]'"):
        render(metrics())


def test_in_a_real_browser(tmp_path: Path) -> None:
    executable = find()
    if executable is None:
        pytest.skip("no Chromium is installed: the report was not opened in a browser")
    content = metrics(EVIL, "b" * 80)
    content["examples"][0]["series"] = EVIL
    report = tmp_path / "report.html"
    report.write_text(render(content), encoding="utf-8")
    with browser(executable) as tab:
        for width, dark in ((375, False), (1400, True)):
            tab.open(report, width=width, dark=dark)
            assert tab.problems == []
            assert tab.requests == [report.resolve().as_uri()]
            assert tab.value("window.hit") is None
            assert tab.value("innerWidth") == width
            assert tab.value("document.documentElement.scrollWidth") <= width
            seen = "[...document.querySelectorAll('.plot')].filter(p => !p.closest('[hidden]'))"
            drawn = f"{seen}.every(p => p.querySelectorAll('.scatterlayer .trace').length > 0)"
            assert tab.value(drawn) is True
            assert tab.value(f"{seen}.length") == 5
            tab.value(
                "document.querySelectorAll('select').forEach(s => "
                "{ s.value = '1'; s.dispatchEvent(new Event('change')); })"
            )
            tab.value("new Promise(done => setTimeout(done, 200))")
            assert tab.value(drawn) is True
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.problems == []
            tab.requests.clear()
