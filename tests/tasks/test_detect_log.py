"""A detector of a service's log: new lines, lines at the wrong place, slow requests and silence are found."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gatework.data.row_encoder import GAP, UNSEEN
from gatework.errors import ConfigError, DataError
from gatework.tasks.detect import AnomalyDetector
from gatework.tasks.detect_parse import ParsedBlock

LINES = 3000
ODD = {"unseen": 2600, "silence": 2700, "place": 2800, "slow": 2900}
FIRST = {"silence": GAP, "slow": "answered … in # ms"}


class Service:
    """An invented service that writes what it does; requests come one after the other."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.time = datetime(2024, 3, 1, 8)
        self.lines: list[str] = []
        self.odd: dict[str, int] = {}

    def say(self, text: str, level: str = "INFO", wait: float | None = None) -> None:
        self.time += timedelta(seconds=wait or 0.05 + float(self.rng.exponential(0.4)))
        stamp = self.time.isoformat(sep=" ", timespec="milliseconds").replace(".", ",")
        self.lines.append(f"{stamp} {level} {text}")

    def due(self, what: str) -> bool:
        """Whether it is time for something odd, which then is noted."""
        if what in self.odd or len(self.lines) < ODD[what]:
            return False
        self.odd[what] = len(self.lines)
        return True

    def request(self, number: int) -> None:
        rng = self.rng
        if self.due("unseen"):
            self.say("disk /dev/sda1 failed: I/O error at sector 918273", "ERROR")
        user, name = int(rng.integers(1, 500)), f"{rng.integers(16**8):08x}"
        silence = 300.0 if self.due("silence") else None
        self.say(f"gateway: request {name} opened by user {user}", wait=silence)
        if self.due("place"):
            self.say("store: checkpoint written in 35 ms, 812 pages")
        self.say(f"auth: token of user {user} checked in {rng.gamma(8, 0.3):.2f} ms")
        for _ in range(int(rng.integers(1, 4))):
            self.say(f"store: query took {rng.gamma(20, 0.6):.1f} ms, rows={rng.poisson(40)}")
        took = rng.gamma(30, 2) * (30 if self.due("slow") else 1)
        size = rng.integers(800, 4000)
        self.say(f"gateway: request {name} answered 200 in {took:.0f} ms, {size} bytes")
        if number % 20 == 0:
            pages = rng.integers(500, 1500)
            self.say(f"store: checkpoint written in {rng.gamma(30):.0f} ms, {pages} pages")


@pytest.fixture(scope="module")
def service() -> Service:
    made = Service()
    number = 0
    while len(made.lines) < LINES:
        number += 1
        made.request(number)
    return made


@pytest.fixture(scope="module")
def lines(service: Service) -> list[str]:
    return service.lines


@pytest.fixture(scope="module")
def detector(lines: list[str]) -> AnomalyDetector:
    return AnomalyDetector(hidden_size=16, max_epochs=4, learning_rate=0.01).fit(lines, kind="log")


@pytest.fixture(scope="module")
def answer(detector: AnomalyDetector, lines: list[str]) -> pl.DataFrame:
    return detector.predict(lines)


@pytest.mark.parametrize(
    ("what", "channel", "value"),
    [
        ("unseen", "template", UNSEEN),
        ("silence", GAP, 300),
        ("place", "template", "INFO store: checkpoint written in <*> ms, <*> pages"),
        ("slow", "answered … in # ms", 1000),
    ],
)
def test_what_is_odd_is_found_and_told(
    service: Service, answer: pl.DataFrame, what: str, channel: str, value: float | str
) -> None:
    row = answer.row(service.odd[what], named=True)
    assert row["alarm"]
    assert row["score"] > answer["score"].quantile(0.995)
    assert row["channel"] == channel
    assert row["text"] == service.lines[service.odd[what]]
    assert row["line"] == service.odd[what] + 1
    if isinstance(value, str):
        assert row["word"] == value
        assert row["expected_word"] not in (None, value)
    else:
        assert row["value"] > value > row["high"]


def test_usual_lines_are_seldom_alarmed(service: Service, answer: pl.DataFrame) -> None:
    assert answer["alarm"].sum() - len(service.odd) < 0.01 * LINES


def test_report_shows_the_lines_in_their_context(
    service: Service, detector: AnomalyDetector
) -> None:
    shown = {line["row"]: line for line in detector.metrics_["examples"]["lines"]}
    for what, row in service.odd.items():
        line = shown[row]
        assert line["line"] == row + 1
        assert line["before"] == service.lines[row - 3 : row]
        assert line["after"] == service.lines[row + 1 : row + 4]
        assert line["unseen"] == (what == "unseen")
        assert bool(line["expected"]) == (what in ("unseen", "place"))
        told = [c["name"] for c in line["channels"]]
        assert what not in FIRST or told[0] == FIRST[what]


def parsed_scores(detector: AnomalyDetector, blocks: list[list[bytes]]) -> list[float]:
    stream = detector.stream()
    parser = stream.reader()
    return [s for block in blocks for s in stream.advance(parser.parse(block).rows).score.tolist()]


def test_stream_tells_what_predict_tells(
    detector: AnomalyDetector, lines: list[str], answer: pl.DataFrame
) -> None:
    raw = [line.encode() + b"\n" for line in lines]
    blocks = parsed_scores(detector, [raw[:1], raw[1:700], raw[700:703], raw[703:]])
    assert blocks == pytest.approx(answer["score"].to_list(), abs=1e-3)
    stream = detector.stream()
    pushed = [stream.push(line) for line in lines[:150]]
    assert [v.score for v in pushed] == pytest.approx(answer["score"].to_list()[:150], abs=1e-3)
    with pytest.raises(DataError, match="row 150: is blank"):
        stream.push(" ")


def test_alarms_of_a_stream_tell_the_silence_and_the_unseen_line(
    detector: AnomalyDetector, service: Service
) -> None:
    stream = detector.stream()
    alarms = stream.advance(stream.reader().parse(service.lines).rows).events
    found = {alarm.peak_row: alarm for alarm in alarms}
    silence = found[service.odd["silence"]]
    high = silence.expected[GAP][2]
    assert isinstance(high, float)
    assert silence.values[GAP] == pytest.approx(300, abs=1)
    assert 0 < high < 10
    unseen = found[service.odd["unseen"]]
    assert unseen.values["template"] == UNSEEN
    pushed = detector.stream()
    first = service.odd["silence"] - 40
    for line in service.lines[first : service.odd["silence"]]:
        pushed.push(line)
    verdict = pushed.push(service.lines[service.odd["silence"]])
    assert verdict.channels[0][0] == GAP
    assert verdict.value == pytest.approx(300, abs=1)


def test_stream_goes_on_after_a_restart_and_after_a_reset(
    detector: AnomalyDetector, lines: list[str]
) -> None:
    stamp = lines[99][:23]
    odd = [
        *lines[:100],
        "a line without a time",
        f"{lines[50][:23]} INFO a late line",
        *lines[100:160],
    ]
    whole = detector.stream()
    expected = whole.advance(whole.reader().parse(odd).rows).score.tolist()
    first = detector.stream()
    found = first.advance(first.reader().parse(odd[:101]).rows).score.tolist()
    again = detector.stream()
    parser = again.reader()  # made before the state is there
    again.restore(first.to_bytes())
    block = parser.parse(odd[101:])
    assert block.rows.times is not None
    late = datetime(1970, 1, 1) + timedelta(microseconds=int(block.rows.times[0]))
    assert late.isoformat(sep=" ", timespec="milliseconds").replace(".", ",") == stamp
    found += again.advance(block.rows).score.tolist()
    assert found == pytest.approx(expected, abs=1e-5)
    again.reset()
    anew = again.advance(again.reader().parse(odd).rows).score.tolist()
    assert anew == pytest.approx(expected, abs=1e-9)


def test_state_of_a_parser_is_checked(detector: AnomalyDetector) -> None:
    parser = detector.stream().reader()
    with pytest.raises((KeyError, TypeError, ValueError)):
        parser.restore({"latest": [[1]]})
    state = parser.state()
    assert state == json.loads(json.dumps(state))


def bad_of(block: ParsedBlock) -> list[tuple[int, str]]:
    return [(line, kind) for line, kind, _ in block.bad]


def test_every_line_with_a_time_is_a_row(detector: AnomalyDetector, lines: list[str]) -> None:
    parser = detector.stream().reader()
    early = parser.parse([b"starting up", b"", lines[0].encode()])
    assert bad_of(early) == [(0, "time")]
    assert early.good.tolist() == [2]
    broken = lines[1].encode().replace(b"user", b"us\xffer")
    block = parser.parse([broken, b"\r\n", b"Traceback (most recent call last):", b"x" * 100_000])
    assert block.bad == []
    assert block.good.tolist() == [0, 2, 3]
    assert (block.rows.tokens[:, 0] == 1).all()  # all of them unseen
    assert np.isnan(block.rows.values).all()
    assert len(parser.parse([]).good) == 0


def test_saved_detector_tells_the_same(
    detector: AnomalyDetector, lines: list[str], answer: pl.DataFrame, tmp_path: Path
) -> None:
    detector.save(tmp_path / "model")
    log = tmp_path / "app.log"
    log.write_text("\n".join(lines) + "\n")
    loaded = AnomalyDetector.load(tmp_path / "model")
    assert loaded.predict(log).equals(answer)
    assert b"Surprising lines" in (tmp_path / "model" / "report.html").read_bytes()


def test_sessions_are_told_apart_in_the_stream_too(lines: list[str]) -> None:
    part = r"INFO (\w+):"
    detector = AnomalyDetector(hidden_size=8, max_epochs=1).fit(lines, kind="log", session=part)
    answer = detector.predict(lines)
    assert answer["line"].to_list() == list(range(1, len(lines) + 1))
    assert answer["series"].unique().sort().to_list() == ["", "auth", "gateway", "store"]
    assert answer["series"][0] == "gateway"
    raw = [line.encode() for line in lines]
    blocks = parsed_scores(detector, [raw[:1500], raw[1500:]])
    assert blocks == pytest.approx(answer["score"].to_list(), abs=1e-3)
    stream = detector.stream()
    pushed = [stream.push(line) for line in lines[:60]]
    assert [v.score for v in pushed] == pytest.approx(answer["score"].to_list()[:60], abs=1e-3)
    assert [v.series for v in pushed] == answer["series"].to_list()[:60]


def test_roles_that_a_log_has_not_are_refused(lines: list[str]) -> None:
    for role in ({"labels": [0]}, {"series": "a"}, {"features": ["a"]}, {"mend": True}):
        with pytest.raises(ConfigError, match=f"{next(iter(role))}= does not go with .* 'log'"):
            AnomalyDetector().fit(lines, kind="log", **role)
