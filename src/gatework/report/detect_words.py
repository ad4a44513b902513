"""The scores, thresholds and times of a detector as a person says them."""

from __future__ import annotations

from gatework.report.words import MINUS, NBSP, NONE, count, duration, moment, number, percent

NAMES = {
    "vus_pr": "VUS-PR",
    "vus_roc": "VUS-ROC",
    "average_precision": "Average precision",
    "auc": "ROC AUC",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "best_f1": "Best F1",
    "range_precision": "Range precision",
    "range_recall": "Range recall",
    "range_f1": "Range F1",
    "nab": "NAB score",
    "adjusted_f1": "Point-adjusted F1",
    "random_adjusted_f1": "The same of a random score",
    "alarms": "Alarms",
    "alarm_share": "Share in alarm",
    "alarm_ranges": "Alarms",
    "alarms_per_day": "Alarms a day",
}
AREAS = ("vus_pr", "vus_roc", "average_precision", "auc")
RANKING = (*AREAS, "best_f1")
AT_THRESHOLD = ("precision", "recall", "f1", "range_precision", "range_recall", "range_f1", "nab")
METHODS = {
    "forecast": "it says what it expects of a {unit} before seeing it; what it did not expect is an anomaly",
    "reconstruct": "it rebuilds the last {unit}s from a summary of them; what it cannot rebuild is an anomaly",
    "variational": "it rebuilds the last {unit}s from a random summary of them; what it cannot rebuild is an "
    "anomaly",
}
THRESHOLDS = {
    "evt": "extreme value theory (SPOT): a curve fitted to the largest held-out scores",
    "dspot": "extreme value theory with drift (DSPOT): follows the level of the scores",
    "conformal": "conformal: a held-out score that only a small share exceeded",
    "rate": "the wished-for number of alarms a day",
    "dynamic": "dynamic, without a distribution: from the scores of the last while",
    "labels": "chosen with the labels of the validation part",
}
DEFINITIONS = {
    "Score": "How unusual a {unit} is: 2 means that one normal {unit} in 100 would be as unusual, 4 one in "
    "10,000. It is minus the logarithm to base 10 of that chance.",
    "Alarm": "{units} whose score reaches the threshold; those next to each other are one alarm.",
    "Surprise": "Minus the natural logarithm of the probability that the network gave to what came: 2.3 is "
    "one in ten, 6.9 one in a thousand.",
}  # fmt: skip
LABELLED = {
    "vus_pr": "Volume under the precision-recall surface: the mean precision over all thresholds, where a "
    "score close to a labelled stretch counts in part, averaged over how close. 1 is perfect; a random score "
    "reaches about the share of labelled {unit}s.",
    "vus_roc": "The same under the ROC surface; 0.5 is guessing. Where anomalies are rare it flatters.",
    "average_precision": "The mean precision over all thresholds, {unit} by {unit}. A random score reaches "
    "about the share of labelled {unit}s.",
    "auc": "The chance that a labelled {unit} is ranked above another one; 0.5 is guessing.",
    "f1": "Precision: of the {unit}s in alarm, the share that is labelled. Recall: of the labelled {unit}s, "
    "the share in alarm. F1 is high only where both are. All at the detector’s own threshold.",
    "best_f1": "F1 at the threshold that suits these labels best. Nobody has that threshold in advance: it "
    "is a bound, not a result.",
    "range_f1": "Counted in stretches: how much of each labelled stretch is covered, and how much of each "
    "alarm lies in one (Tatbul et al. 2018). A long stretch counts as much as a short one.",
    "nab": "Of the Numenta Anomaly Benchmark, standard profile, with the labelled stretches as windows: early "
    "alarms count more, false ones cost. 100 is perfect, 0 is no alarm at all; it can be far below 0.",
    "adjusted_f1": "Best F1 after a labelled stretch counts as found whole when a single {unit} of it is in "
    "alarm. It rewards chance; see the warning beside it.",
}  # fmt: skip


def name(score: str) -> str:
    """The name of a score."""
    return NAMES.get(score, score.replace("_", " "))


def value(score: str, found: float | None) -> str:
    """A score as it is read.

    >>> value("f1", 0.9781), value("vus_pr", 0.4), value("alarms_per_day", 2.345)
    ('97.8\\xa0%', '0.400', '2.3')
    """
    if found is None:
        return NONE
    if score in AREAS:
        return f"{found:.3f}"
    if score == "nab":
        return f"{found:.1f}".replace("-", MINUS)
    if score == "alarm_share":
        return percent(found, 2 if found < 0.1 else 1)
    if score == "alarms_per_day":
        return rate(found)
    return number(found) if score in ("alarms", "alarm_ranges", "delay_rows") else percent(found)


def counted(many: float, one: str, several: str) -> str:
    """A number with a noun whose plural is its own: ``1 anomaly``, ``4 anomalies``."""
    return f"{count(many)} {one if many == 1 else several}"


def rate(found: float) -> str:
    """A number of alarms a day: ``0.07``, ``2.3``, ``140``."""
    if found >= 100:
        return f"{found:,.0f}"
    return f"{found:.1f}" if found >= 1 else number(found, 2)


def often(per_day: float | None) -> str:
    """How often an alarm comes, in the unit that suits.

    >>> often(2.34), often(0.05), often(0.0), often(1500), often(0.5)
    ('2.3 a day', '1.5 a month', 'none', '62.5 an hour', '3.5 a week')
    """
    if per_day is None:
        return NONE
    if per_day <= 0:
        return "none"
    if per_day >= 240:
        return f"{rate(per_day / 24)} an hour"
    if per_day >= 0.95:
        return f"{rate(per_day)} a day"
    if per_day * 7 >= 0.95:
        return f"{rate(per_day * 7)} a week"
    return f"{rate(per_day * 30.44)} a month"


def points(score: float) -> str:
    """A score of a row.

    >>> points(6.04), points(12.0), points(1234.5)
    ('6.0', '12.0', '1,234')
    """
    return f"{score:.1f}" if score < 1000 else number(score)


def rarity(score: float | None, unit: str) -> str:
    """What a score says: ``one row in 10,000``.

    >>> rarity(4.0, "row"), rarity(2.52, "line"), rarity(6.2, "row")
    ('one row in 10,000', 'one line in 330', 'one row in 1.6 million')
    >>> rarity(14, "row"), rarity(0, "row")
    ('less than one row in a billion', 'any row')
    """
    if score is None:
        return NONE
    if score < 0.3:
        return f"any {unit}"
    if score > 9:
        return f"less than one {unit} in a billion"
    many = 10.0**score
    digits = 10.0 ** (len(str(int(many))) - 2)
    rounded = round(many / digits) * digits if many >= 10 else round(many, 1)
    if rounded >= 1e9:
        said = "a billion"
    elif rounded >= 1e6:
        said = f"{rounded / 1e6:g} million"
    else:
        said = f"{rounded:,g}" if rounded < 10 else f"{rounded:,.0f}"
    return f"one {unit} in {said}"


def when(first: str | None, last: str | None) -> str | None:
    """A stretch of time, the date said once.

    >>> when("2024-03-01 10:00:00", "2024-03-01 10:40:00")
    '2024-03-01 10:00 to 10:40'
    >>> when("2024-03-01T10:00:00", None), when(None, None)
    ('2024-03-01 10:00', None)
    """
    if not first:
        return None
    start, end = moment(first), moment(last)
    if not last or end == start:
        return start
    day, _, hour = end.partition(" ")
    return f"{start} to {hour if hour and start.startswith(f'{day} ') else end}"


def lasting(seconds: float) -> str:
    """A span of time without parts that are zero.

    >>> lasting(900), lasting(7200), lasting(5400), lasting(90), lasting(180_000), lasting(0.5)
    ('15 min', '2 h', '1 h 30 min', '1 min 30 s', '2 days 2 h', '500 ms')
    """
    if seconds < 59.5:
        return duration(seconds).replace(".0 s", " s")
    left, parts = round(seconds), []
    for unit, size in (("day", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        many, left = divmod(left, size)
        if many:
            parts.append(count(many, unit) if unit == "day" else f"{many:,} {unit}")
    return " ".join(parts[:2])


def delay(overall: dict[str, float | None], unit: str) -> str | None:
    """Median time from the first row of an anomaly to its first alarm: ``3 rows (15 min 0 s)``."""
    rows, seconds = overall.get("delay_rows"), overall.get("delay_seconds")
    if rows is None:
        return lasting(seconds) if seconds is not None else None
    said = count(rows, unit) if rows == int(rows) else f"{rows:.1f}{NBSP}{unit}s"
    return f"{said} ({lasting(seconds)})" if seconds else said


def caught(overall: dict[str, float | None]) -> str | None:
    """Labelled stretches found: ``12 of 15``."""
    there, found = overall.get("events"), overall.get("events_found")
    return f"{count(found)} of {count(there)}" if there and found is not None else None


def expected(low: float | None, high: float | None) -> str:
    """An expected range: ``40 to 52``; empty without one."""
    return f"{number(low)} to {number(high)}" if low is not None and high is not None else ""


def clipped(line: str, most: int = 400) -> str:
    """A line of a log, cut where it is too long to read."""
    return line if len(line) <= most else f"{line[:most]} … ({len(line):,} characters)"
