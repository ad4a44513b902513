"""The report of anomaly detectors: complete, escaped, offline, honest, readable."""

from __future__ import annotations

import copy
import json
import math
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gatework.report import page
from gatework.report.detect import render
from gatework.report.detect_card import detect_card
from gatework.report.detect_facts import DetectFacts
from gatework.report.detect_figures import MAX_SPANS, joined, stack
from gatework.report.detect_verdict import DetectVerdict
from gatework.report.page import Html

sys.path.insert(0, str(Path(__file__).parent))
from browser import browser, find
from detect_metrics import CHANNELS, KINDS, metrics
from test_report import EVIL, Reader, paths, specs

pytest.importorskip("plotly")

GONE = object()
RUN = ["threshold", "calibration", "training", "data", "cost", "settings", "use", "words"]
SECTIONS = {
    "metrics": ["headline", "scores", "series", "alarms", *RUN],
    "events": ["headline", "scores", "sessions", *RUN],
    "log": ["headline", "scores", "series", "alarms", "lines", *RUN],
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the five megabytes of plotly.js."""
    monkeypatch.setattr(page, "plotly_source", lambda: Html("/* plotly */"))


def changed(content: dict[str, Any], path: tuple[Any, ...], odd: object = GONE) -> dict[str, Any]:
    """A copy with another value at the path, or without it; the rest is shared."""
    found = copy.copy(content)
    within: Any = found
    for key in path[:-1]:
        within[key] = copy.copy(within[key])
        within = within[key]
    within[path[-1]] = odd
    if odd is GONE:
        del within[path[-1]]
    return found


def everything() -> dict[str, Any]:
    """All that a `metrics.json` may hold, in short lists: tests render it a thousand times."""
    content = metrics("log")
    shown = content["examples"]
    shown["sessions"] = metrics("events")["examples"]["sessions"][2:3]
    for name in ("events", "lines"):
        shown[name] = shown[name][:1]
    course = shown["series"]
    for within in (course, *course["channels"]):
        within |= {k: v[170:210] for k, v in within.items() if isinstance(v, list) and len(v) > 40}
    evaluation = content["evaluation"]
    evaluation["baselines"] = {"differences": {"overall": {"vus_pr": 0.4, "events_found": 3}}}
    for part in ("validation", "test"):
        del content["split"][part]
    content |= {
        "training": {"history": []},
        "settings": {},
    }  # their sections are those of every report
    return content


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_sections_stand_in_order(kind: str) -> None:
    read = Reader(render(metrics(kind)))
    assert [s["id"] for s in read.all("section")] == SECTIONS[kind]
    assert [a["href"] for a in read.all("a")[1:]] == [f"#{s}" for s in SECTIONS[kind]]


BOTH = ["after epoch 7 of 9", "21,844", "12.4 µs", "4.12", "in 13,000", "extreme value theory", "4,000",
        "in time order", "AnomalyDetector.load", "gatework watch model", "27,760 rows, one every"]  # fmt: skip


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("metrics", ["0.512", "VUS-PR", "0.405", "isolation forest", "12 of 15", "3 rows (45 min)", "NAB score",
                     "3.6 a week", "Anomaly detector of 4 channels", "one row in 40 million", "not labelled",
                     "2024-03-11 21:30 to 23:45", "2024-03-12 21:30 to 2024-03-13 23:45", "Show 3 more",
                     "3 alarms; 2 of 3 labelled stretches with one", "missed anomaly", "expected 40 to 52.5",
                     "gatework predict model new.csv -o alarms.csv", *CHANNELS]),
        ("events", ["Average precision", "n-gram", "session 3002", "missed", "event 13", "surprise 9.4",
                    "Surprise", "… 76 before …", "5,760 sessions", "new.txt", "E28"]),
        ("log", ["Surprising lines", "Line 88,120", "new kind of line", "1 of them is of a kind", "71 %",
                 "order <*> sent to <*> in <*> ms", "given up after <*> tries", "one line in 6.3 million",
                 "new.log"]),
    ],
)  # fmt: skip
def test_each_kind_tells_what_it_found(kind: str, told: list[str]) -> None:
    said = Reader(render(metrics(kind))).text
    for words in (*told, *BOTH):
        assert words in said, words


@pytest.mark.usefixtures("small")
def test_without_labels_nothing_is_called_good_or_best() -> None:
    text = render(metrics(labelled=False))
    said = Reader(text).text
    assert 'class="verdict unjudged"' in text
    assert "31 alarms in 5,760 rows, about 3.6 a week" in said
    assert "none of these is better than another" in said
    assert "<strong>0" not in text
    for words in ("(best)", "VUS-PR", "F1", "labelled as an anomaly", "missed", "beats"):
        assert words not in said, words


@pytest.mark.usefixtures("small")
def test_the_point_adjusted_score_stands_only_beside_its_warning() -> None:
    text = render(metrics())
    said = Reader(text).text
    assert said.count("Point-adjusted F1: not a result") == 1
    assert (
        "F1 is 90.2 % instead of 71.2 %, beside the 87.1 % that a score drawn at random reaches"
        in said
    )
    assert "90.2" not in said[: said.index("Point-adjusted F1: not a result")]
    content = metrics()
    content["evaluation"]["model"]["overall"]["adjusted_f1"] = 0.88
    assert "no better than the 87.1 %" in Reader(render(content)).text
    for model in (content["evaluation"]["model"], *content["evaluation"]["baselines"].values()):
        del model["overall"]["random_adjusted_f1"]
    assert "88.0 % instead of 71.2 %. That rewards chance" in Reader(render(content)).text
    assert "90.2" not in detect_card(metrics())
    assert "Point-adjusted" not in Reader(render(metrics("events"))).text


@pytest.mark.usefixtures("small")
def test_the_best_of_each_column_is_bold() -> None:
    content = metrics()
    content["evaluation"]["baselines"]["differences"]["overall"] |= {"recall": 0.99, "nab": 12.0}
    rows = re.findall(r"<tr><th[^>]*>.*?</tr>", render(content))
    own = [r.count("<strong>") for r in rows if 'class="own"' in r]
    assert own[:3] == [5, 6, 0]
    assert [r.count("<strong>") for r in rows if ">differences<" in r][:3] == [0, 1, 0]


@pytest.mark.parametrize(
    ("score", "events", "kind", "said"),
    [
        (0.512, 15, "won", "beats every baseline"),
        (0.409, 15, "wary", "but hardly: VUS-PR 0.409 against 0.405 of isolation forest"),
        (0.512, 4, "wary", "on 4 anomalies only"),
        (0.512, 1, "wary", "on 1 anomaly only"),
        (0.405, 15, "lost", "Only as good as isolation forest"),
        (0.300, 15, "lost", "Does not beat isolation forest: VUS-PR 0.300 against 0.405"),
        (0.300, 4, "lost", "Does not beat isolation forest"),
    ],
)
def test_the_verdict_is_what_the_scores_support(
    score: float, events: int, kind: str, said: str
) -> None:
    found = DetectVerdict.of(DetectFacts.read(metrics(score=score, events=events)))
    assert found.kind == kind
    assert said in found.said.replace("\u00a0", " ")


def test_other_defeats_a_validation_part_and_what_was_not_judged_are_told() -> None:
    def verdict(**changes: Any) -> DetectVerdict:
        content = metrics()
        content["evaluation"] |= changes
        return DetectVerdict.of(DetectFacts.read(content))

    content = metrics()
    content["evaluation"]["baselines"]["differences"]["overall"]["f1"] = 0.8
    behind = DetectVerdict.of(DetectFacts.read(content))
    assert behind.kind == "won"
    assert "behind in F1 (differences 80.0\u00a0%, the detector 66.2\u00a0%)" in behind.advice
    assert "which chose the best epoch" in verdict(on="validation").advice
    assert verdict(verdict="The detector does NOT beat differences.").kind == "lost"
    assert "scores of the baselines are missing" in verdict(baselines={}).said
    assert "no anomaly is labelled" in verdict(model={"overall": {"alarms": 3}}).said
    assert "nothing to judge it on" in verdict(rows=0).said


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_text_from_the_data_stays_text(kind: str) -> None:
    plain = Reader(render(metrics(kind)))
    content = metrics(kind)
    content |= {"title": EVIL, "source": EVIL, "notes": [EVIL], "described": [EVIL], "gatework_version": EVIL,
                "channels": [EVIL] * 4, "categories": [EVIL]}  # fmt: skip
    content["settings"] |= {"cell": EVIL, EVIL: EVIL}
    content["split"] |= {"how": EVIL, EVIL: {"rows": EVIL, "from": EVIL}}
    content["threshold"] |= {"kind": EVIL, "text": EVIL}
    evaluation, shown = content["evaluation"], content["examples"]
    evaluation["baselines"][EVIL] = evaluation["baselines"].popitem()[1]
    evaluation |= {"on": EVIL, "verdict": EVIL}
    if shown["series"]:
        shown["series"] |= {"series": EVIL, "times": [EVIL] * len(shown["series"]["rows"])}
        for channel in shown["series"]["channels"]:
            channel["name"] = EVIL
    for found in shown["events"]:
        found |= {"series": EVIL, "start_time": EVIL, "end_time": EVIL}
        found["channels"][0] |= {"name": EVIL, "value": EVIL}
    for found in shown["lines"] or []:
        found |= {
            "text": EVIL,
            "template": EVIL,
            "before": [EVIL, "</code>"],
            "expected": [[EVIL, 0.5]],
        }
    for found in shown["sessions"] or []:
        found["name"] = EVIL
        found["events"][found["at"]]["event"] = EVIL
    text = render(content)
    read = Reader(text)
    assert not read.all("img")
    assert len(read.all("script")) == len(plain.all("script"))
    assert EVIL in read.text
    assert "onerror" not in "".join(json.dumps(s) for s in specs(text))
    assert "http" not in text.replace("http-equiv", "")
    card = detect_card(content)
    assert "<script" not in card
    assert "<img" not in card


ODD = [None, "odd", [None], {"a": None}, math.nan, -1, 1e308, pytest.param(10**400, id="vast")]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("odd", ODD)
def test_any_key_may_be_odd(odd: object) -> None:
    content = everything()
    for path in paths(content):
        one = changed(content, path, odd)
        assert "</html>" in render(one), path
        assert "## Use" in detect_card(one), path


@pytest.mark.usefixtures("small")
def test_any_key_may_be_missing() -> None:
    content = everything()
    before = copy.deepcopy(content)
    for path in paths(content):
        one = changed(content, path)
        assert "</html>" in render(one), path
        assert "## Use" in detect_card(one), path
    assert content == before
    assert "Not judged" in render({})


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_figures_have_words_and_specifications_that_plotly_accepts(kind: str) -> None:
    from plotly import graph_objects

    text = render(metrics(kind))
    found = specs(text)
    assert len(found) == {"metrics": 4, "events": 3, "log": 4}[kind]
    for spec in found:
        graph_objects.Figure(spec)
    read = Reader(text)
    plots = [d for d in read.all("div") if (d.get("class") or "").startswith("plot")]
    assert all(p["role"] == "img" and len(p["aria-label"] or "") > 40 for p in plots)
    assert all(th["scope"] in ("col", "row") for th in read.all("th"))
    assert len(read.all("caption")) == len(read.all("table"))


def test_the_lanes_of_a_stretch_share_one_axis_and_do_not_touch() -> None:
    found = DetectFacts.read(metrics()).course
    assert found is not None
    drawn = stack(found)
    layout = drawn.figure.spec["layout"]
    lanes = [layout[k]["domain"] for k in layout if k.startswith("yaxis")]
    assert len(lanes) == len(drawn.headings) == 5
    assert all(below[1] < above[0] for above, below in pairwise(lanes))
    assert all("xaxis" not in trace for trace in drawn.figure.spec["data"])
    content = metrics()["examples"]["series"]
    content["score"][5] = 300.0  # one score does not flatten the others
    found = type(found).read(content)
    assert found is not None
    assert "are cut off at the top" in stack(found).figure.caption


def test_very_many_alarms_are_drawn_as_few_as_an_eye_can_tell_apart() -> None:
    every_other = [(i, i) for i in range(0, 2000, 2)]
    assert len(joined(every_other, 2000)) == 1
    apart = [(i, i) for i in range(0, 100_000, 300)]
    assert len(joined(apart, 100_000)) <= MAX_SPANS


@pytest.mark.usefixtures("small")
def test_rows_without_times_and_hidden_numbers_find_a_place() -> None:
    content = metrics()
    series = content["examples"]["series"]
    series["times"] = None
    said = Reader(render(content)).text
    assert "row 1,382: alarm, score" in said
    found = specs(render(content))[0]
    assert found["data"][0]["x"][0] == 1200
    for alarm in content["examples"]["events"]:
        alarm |= {"start_time": None, "end_time": None}
    content["examples"]["events"][1] |= {"end": 1422, "series": "pump 7"}
    said = Reader(render(content)).text
    assert "Rows 1,382 to 1,399" in said
    assert "pump 7: Row 1,422" in said


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_holds_verdict_scores_and_use(kind: str) -> None:
    content = metrics(kind)
    content["evaluation"]["baselines"]["a|b"] = {"overall": {}}
    card = detect_card(content, "runs/one")
    assert "beats every baseline" in card
    assert f"gatework predict runs/one {content['source'][:0]}new." in card
    assert "gatework watch runs/one" in card
    assert 'AnomalyDetector.load("runs/one")' in card
    assert "a\\|b" in card
    assert "weights of epoch 7 are kept" in card
    assert "Alarm from a score of 4.12" in card
    for text in (card, detect_card(metrics(kind, labelled=False))):
        for rows in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}
            assert len(widths) == 1, rows


def test_in_a_real_browser(tmp_path: Path) -> None:
    executable = find()
    if executable is None:
        pytest.skip("no Chromium is installed: the report was not opened in a browser")
    report = tmp_path / "report.html"
    drawn = "[...document.querySelectorAll('.plot')].every(p => p.querySelector('.trace'))"
    range_ = "document.querySelector('.stack .plot').layout.xaxis.range.map(String)"
    choose = (
        "(s => { s.selectedIndex = %d; s.dispatchEvent(new Event('change')); })"
        "(document.querySelector('select[data-zoom]'))"
    )
    with browser(executable) as tab:
        for kind, width in (("metrics", 1400), ("log", 375)):
            content = metrics(kind)
            shown = content["examples"]
            if kind == "log":
                shown["sessions"] = metrics("events")["examples"]["sessions"]
            if shown["series"]:
                shown["series"]["channels"][0]["name"] = EVIL
            for line in shown["lines"] or []:
                line["text"] = "word " * 300
                line["expected"][0][0] = "w" * 300
            for session in shown["sessions"] or []:
                session["events"][0]["event"] = "e" * 300
            report.write_text(render(content), encoding="utf-8")
            tab.open(report, width=width, dark=width < 600)
            assert tab.requests[-1:] == [report.resolve().as_uri()]
            assert tab.value("window.hit") is None
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value(drawn) is True
            if shown["series"]:
                whole = tab.value(range_)
                tab.value(choose % 1)
                near = tab.value(range_)
                assert whole[0] < near[0] < near[1] < whole[1]
                tab.value(choose % 0)
                assert tab.value(range_) == whole
                places = "[...document.querySelectorAll('.lane')].map(l => l.getBoundingClientRect().top)"
                tops = tab.value(places)
                assert tops == sorted(tops)
            assert tab.problems == []
            tab.requests.clear()
