"""The report of classifiers, regressors and taggers: complete, escaped, offline, honest, readable."""

from __future__ import annotations

import copy
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from gatework.report import page
from gatework.report.labelled import render
from gatework.report.labelled_card import labelled_card
from gatework.report.labelled_facts import LabelledFacts
from gatework.report.labelled_verdict import LabelledVerdict
from gatework.report.page import Html

sys.path.insert(0, str(Path(__file__).parent))
from browser import browser, find
from labelled_metrics import CONTENTS, KINDS, TASKS, metrics
from test_report import EVIL, Reader, paths, specs

pytest.importorskip("plotly")

BOTH = ["training", "data", "cost", "settings", "use", "words"]
SECTIONS = {
    "classify": ["headline", "scores", "classes", "confusion", "certainty", "mistakes", *BOTH],
    "regress": ["headline", "scores", "errors", "certainty", "mistakes", *BOTH],
    "tag": ["headline", "scores", "classes", "confusion", "mistakes", *BOTH],
}

# Seconds of the first sound, once the browser could play it.
PLAYED = """new Promise(done => {
  const sound = document.querySelector("audio");
  sound.oncanplay = () => done(sound.duration);
  sound.preload = "auto";
  sound.load();
  setTimeout(() => done(-1), 5000);
})"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the five megabytes of plotly.js."""
    monkeypatch.setattr(page, "plotly_source", lambda: Html("/* plotly */"))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", TASKS)
def test_sections_stand_in_order(task: str) -> None:
    read = Reader(render(metrics(task)))
    assert [s["id"] for s in read.all("section")] == SECTIONS[task]
    assert [a["href"] for a in read.all("a")[1:]] == [f"#{s}" for s in SECTIONS[task]]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("classify", ["91.2 %", "88.8 to 93.6 %", "84.0 %", "1-nearest neighbour", "89.2 %",
                      "temperature 1.31", "6.1 % before, 1.8 % after", "the share of “sort 1”",
                      "SequenceClassifier", "predict_proba", "Area below: 0.954"]),
        ("regress", ["14.2", "13.1 to 15.3", "19.2", "26 % smaller", "R²", "PHM score", "+3.0 points",
                     "it can be taken at its word", "SequenceRegressor", "51.5 too high", "band 40 to 95"]),
        ("tag", ["95.1 %", "Span F1", "92.3 %", "86.2 %", "Not once in what was judged",
                 "SequenceTagger", "Whole sequences right"]),
    ],
)  # fmt: skip
def test_each_task_tells_its_scores(task: str, told: list[str]) -> None:
    content = metrics(task, "series", classes=2 if task == "classify" else 4)
    if task == "tag":
        content["evaluation"]["model"]["classes"]["B-VP"] = {"support": 0}
    said = Reader(render(content)).text
    for words in (*told, "recordings", "2,400 sequences in 4 folders", "found by the endings",
                  "12 to 197 steps", "1,600", "38.5 µs", "52,114", "after epoch 6 of 8",
                  "gatework predict model new.csv -o labels.csv", "400 sequences", "pool"):  # fmt: skip
        assert words in said, words


@pytest.mark.usefixtures("small")
def test_the_best_of_each_column_is_bold_and_errors_count_the_other_way() -> None:
    rows = re.findall(r"<tr><th[^>]*>.*?</tr>", render(metrics("regress")))
    model = next(r for r in rows if 'class="own"' in r)
    mean = next(r for r in rows if ">mean<" in r)
    assert model.count("<strong>") == 6
    assert "<strong>" not in mean
    content = metrics("regress")
    content["evaluation"]["baselines"]["mean"]["overall"]["mae"] = 1.0
    rows = re.findall(r"<tr><th[^>]*>.*?</tr>", render(content))
    assert next(r for r in rows if ">mean<" in r).count("<strong>") == 1


@pytest.mark.parametrize(
    ("task", "score", "kind", "said"),
    [
        ("classify", 0.912, "won", "beats every baseline"),
        ("classify", 0.80, "lost", "Does not beat 1-nearest neighbour: Accuracy 80.0 % against 84.0 %"),
        ("classify", 0.84, "lost", "Only as good as 1-nearest neighbour"),
        ("classify", 0.85, "wary", "lies inside the model’s own interval"),
        ("regress", 14.2, "won", "beats every baseline"),
        ("regress", 20.0, "lost", "Does not beat linear model: RMSE 20 against 19.2"),
        ("regress", 18.9, "wary", "not surely"),
        ("tag", 0.951, "won", "beats every baseline"),
    ],
)  # fmt: skip
def test_the_verdict_is_what_the_scores_support(
    task: str, score: float, kind: str, said: str
) -> None:
    verdict = LabelledVerdict.of(LabelledFacts.read(metrics(task, score=score)))
    assert verdict.kind == kind
    assert said in verdict.said.replace("\u00a0", " ")


def test_few_sequences_a_validation_part_and_a_recorded_defeat_are_told() -> None:
    few = LabelledVerdict.of(LabelledFacts.read(metrics(sequences=10)))
    assert few.kind == "wary"
    assert "few sequences: 10" in few.said
    content = metrics()
    content["evaluation"]["on"] = "validation"
    advice = LabelledVerdict.of(LabelledFacts.read(content)).advice
    assert "by which the best epoch was chosen" in advice
    content["evaluation"]["verdict"] = "The model does NOT beat one."
    assert LabelledVerdict.of(LabelledFacts.read(content)).kind == "lost"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", TASKS)
def test_without_a_judged_sequence_the_report_says_so(task: str) -> None:
    content = metrics(task, sequences=0)
    content["evaluation"] |= {"model": {"overall": {}, "intervals": {}}, "baselines": {}}
    content["examples"] = []
    text = render(content)
    assert 'class="verdict unjudged"' in text
    assert "nothing to score" in Reader(text).text
    assert "Not judged" in labelled_card(content)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("classes", [1, 2, 12, 25, 60, 200])
def test_any_number_of_classes_is_readable(classes: int) -> None:
    text = render(metrics(classes=classes))
    cells = len(re.findall(r'<td class="[rw]\d', text))
    rows = len(re.findall(r'class="heading"', text))
    assert rows == (0 if classes == 1 else min(classes, 60) if classes <= 60 else 40)
    assert cells >= rows
    assert ("the 40 of 200 classes with the most mistakes" in text) == (classes == 200)
    assert len(text) < 900_000


@pytest.mark.usefixtures("small")
def test_the_confusion_names_truth_and_prediction_the_right_way_round() -> None:
    content = metrics(classes=3)
    content["evaluation"]["model"]["confusion"] = [[9, 0, 3], [0, 8, 0], [0, 0, 7]]
    text = render(content)
    assert 'title="sort 0 called sort 2: 3 of 12 (25.0\u00a0%)"' in text
    table = re.search(r"The most frequent mistakes.*?</table>", text)
    assert table is not None
    assert re.findall(r"<t[hd][^>]*>(sort \d|3)</t", table[0]) == ["sort 0", "sort 2", "3"]
    content["evaluation"]["model"]["confusion"] = [[9, 0], [0, 8]]  # not of these classes
    assert 'id="confusion"' not in render(content)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", TASKS)
def test_text_from_the_data_stays_text(task: str) -> None:
    plain = Reader(render(metrics(task, "words")))
    content = metrics(task, "words")
    content |= {
        "title": EVIL,
        "source": EVIL,
        "notes": [EVIL],
        "described": [EVIL],
        "gatework_version": EVIL,
    }
    content["settings"] |= {"cell": EVIL, EVIL: EVIL}
    content["split"] |= {"how": EVIL, EVIL: {"sequences": EVIL}}
    content["evaluation"]["baselines"][EVIL] = content["evaluation"]["baselines"].popitem()[1]
    content["evaluation"]["on"] = EVIL
    for found in content["examples"]:
        found |= {
            "name": EVIL,
            "words": [EVIL, "</p>"],
            "channels": [EVIL],
            "wav": EVIL,
            "png": EVIL,
        }
    if task != "regress":
        names = [EVIL, "</script>", '"><b>', "\ud800\x00&lt;"]
        content["classes"] = names
        model = content["evaluation"]["model"]
        model["classes"] = dict(zip(names, model["classes"].values(), strict=True))
        content["examples"][0] |= {
            "truth": EVIL,
            "predicted": names[1],
            "truths": [EVIL],
            "predictions": [None],
        }
    text = render(content)
    text.encode("utf-8")
    read = Reader(text)
    assert not read.all("img")
    assert len(read.all("script")) == len(plain.all("script"))
    assert EVIL in read.text
    assert "onerror" not in "".join(json.dumps(s) for s in specs(text))
    card = labelled_card(content)
    assert "<script" not in card
    assert "<img" not in card


@pytest.mark.usefixtures("small")
def test_a_class_called_as_html_is_not_read_as_such_by_plotly() -> None:
    content = metrics(classes=2)
    content["classes"] = ["<b>a</b>", "<i>b</i>"]
    assert "<" not in "".join(json.dumps(s["layout"]) for s in specs(render(content)))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_every_kind_of_sequence_is_drawn_and_loads_nothing(task: str, kind: str) -> None:
    text = render(metrics(task, kind))
    read = Reader(text)
    expected = {
        "series": "svg",
        "strokes": "svg",
        "audio": "audio",
        "images": "img",
        "video": "img",
    }
    assert len(read.all(expected.get(kind, "p"))) >= 6
    assert "Not drawn" not in text
    sources = [a["src"] or "" for _, a in read.elements if "src" in a]
    assert all(re.match("data:(image/png|audio/wav);base64,", s) for s in sources)
    assert "http" not in text.replace("http-equiv", "")
    assert all(i.get("alt") for i in read.all("img"))
    policy = next(m for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "media-src data:" in (policy["content"] or "")


@pytest.mark.usefixtures("small")
def test_mistakes_can_be_narrowed_to_a_true_and_a_predicted_class() -> None:
    read = Reader(render(metrics("classify", "strokes")))
    pairs = [d["data-pairs"] for d in read.all("div") if d.get("class") == "mistake"]
    assert pairs == ["0-1", "1-3", "2-1", "3-0", "0-2", "1-0"]
    assert [s["data-filter"] for s in read.all("select")] == ["true", "predicted"]
    tagged = Reader(render(metrics("tag", "words")))
    assert any(" " in (d.get("data-pairs") or "") for d in tagged.all("div"))
    assert not Reader(render(metrics("regress"))).all("select")


@pytest.mark.usefixtures("small")
def test_labels_of_steps_lie_under_the_curve_they_belong_to() -> None:
    content = metrics("tag", "series")
    strip = re.search(r"<small>true</small><span>(.*?)</span>", render(content))
    assert strip is not None
    widths = [int(w) for w in re.findall(r"flex-grow:(\d+)", strip[1])]
    assert sum(widths) == 200
    assert 'title="O: steps 11 to 45"' in strip[1]
    content["examples"] = [content["examples"][0] | {"predictions": ["O"] * 120}]
    assert 'class="strips"' not in render(content)  # of other steps than the curve


@pytest.mark.usefixtures("small")
def test_cross_validation_is_told_as_such() -> None:
    content = metrics()
    del content["split"]["validation"]
    content["evaluation"]["on"] = "cross-validation"
    said = Reader(render(content)).text
    assert "each judged by a model that was fitted without it" in said
    assert "calibrated on sequences that were left out" in said
    assert "The validation part" not in said


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("odd", [None, "odd", [], [None], {}, {"a": None}, math.nan, -1, True,
                                 pytest.param(10**400, id="vast")])  # fmt: skip
@pytest.mark.parametrize("task", TASKS)
def test_any_key_may_be_odd(task: str, odd: object) -> None:
    content = metrics(task, "words" if task == "tag" else "series", classes=2)
    content["examples"] = content["examples"][:1]
    for path in paths(content):
        changed = _with(content, path, odd)
        assert "</html>" in render(changed), path
        assert "## Use" in labelled_card(changed), path


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_any_part_of_an_example_may_be_odd(kind: str) -> None:
    example = {"kind": kind, "name": "a", **CONTENTS[kind]("classify", ["a", "b"], 0)}
    odds = [None, "odd", [], [None], [[None]], [[[None]]], {}, math.nan, -1, 10**400, 1e308, -1e308]
    for odd in odds:
        for path in paths(example):
            assert "</html>" in render({"examples": [_with(example, path, odd)]}), (path, odd)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", TASKS)
def test_any_key_may_be_missing(task: str) -> None:
    content = metrics(task)
    content["examples"] = content["examples"][:1]
    before = copy.deepcopy(content)
    for path in paths(content):
        changed = _without(content, path)
        assert "</html>" in render(changed), path
        assert "## Use" in labelled_card(changed), path
    assert content == before
    assert "Not judged" in render({})


def _with(content: dict[str, Any], path: tuple[Any, ...], odd: object) -> dict[str, Any]:
    """A copy with another value at the path; the rest is shared."""
    changed = copy.copy(content)
    within: Any = changed
    for key in path[:-1]:
        within[key] = copy.copy(within[key])
        within = within[key]
    within[path[-1]] = odd
    return changed


def _without(content: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    changed = _with(content, path, None)
    within: Any = changed
    for key in path[:-1]:
        within = within[key]
    del within[path[-1]]
    return changed


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", TASKS)
def test_figures_have_words_and_specifications_that_plotly_accepts(task: str) -> None:
    from plotly import graph_objects

    text = render(metrics(task, classes=2))
    found = specs(text)
    assert len(found) == {"classify": 4, "regress": 3, "tag": 1}[task]
    for spec in found:
        graph_objects.Figure(spec)
    read = Reader(text)
    plots = [d for d in read.all("div") if (d.get("class") or "").startswith("plot")]
    assert all(p["role"] == "img" and len(p["aria-label"] or "") > 40 for p in plots)
    assert all(th["scope"] in ("col", "row") for th in read.all("th"))
    assert len(read.all("caption")) == len(read.all("table"))


@pytest.mark.parametrize("task", TASKS)
def test_the_card_holds_verdict_scores_and_use(task: str) -> None:
    content = metrics(task)
    content["evaluation"]["baselines"]["a|b"] = {"overall": {}, "intervals": {}}
    card = labelled_card(content, "runs/one")
    assert "beats every baseline" in card
    assert "gatework predict runs/one new.csv -o labels.csv" in card
    assert "a\\|b" in card
    assert "weights of epoch 6 are kept" in card
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    for rows in tables:
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}
        assert len(widths) == 1, rows


def test_in_a_real_browser(tmp_path: Path) -> None:
    executable = find()
    if executable is None:
        pytest.skip("no Chromium is installed: the report was not opened in a browser")
    report = tmp_path / "report.html"
    seen = "[...document.querySelectorAll('.mistake')].filter(c => !c.hidden).length"
    choose = (
        "(s => { s.value = '0'; s.dispatchEvent(new Event('change')); })"
        "(document.querySelector('select[data-filter=\"true\"]'))"
    )
    cases = [("classify", "audio", 375), ("tag", "words", 375), ("regress", "series", 1400)]
    drawn = "[...document.querySelectorAll('.plot')].every(p => p.querySelector('.trace'))"
    loaded = "[...document.querySelectorAll('img')].every(i => i.naturalWidth > 0)"
    with browser(executable) as tab:
        for task, kind, width in cases:
            content = metrics(task, kind, classes=60)
            if content["classes"]:
                content["classes"][0] = "b" * 80
                content["examples"][0] |= {"truth": "b" * 80, "name": EVIL}
            report.write_text(render(content), encoding="utf-8")
            tab.open(report, width=width, dark=width < 600)
            assert tab.problems == []
            assert all(r.startswith(("data:", "file:")) for r in tab.requests)
            assert tab.value("window.hit") is None
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value(drawn) is True
            assert tab.value(loaded) is True
            if kind == "audio":
                assert tab.value(seen) == 6
                tab.value(choose)
                assert 0 < tab.value(seen) < 6
                told = tab.value("document.getElementById('mistakes-shown').textContent")
                assert told == f"{tab.value(seen)} shown"
                assert tab.value(PLAYED) == pytest.approx(0.5, abs=0.01)
            assert tab.problems == []
