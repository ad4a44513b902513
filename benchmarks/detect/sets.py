"""The sets of the table: what is measured on each, and what is to be reached.  Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass

EVERYTHING = "alarm at everything"  # the floor: what no detector at all scores


@dataclass(frozen=True)
class Goal:
    """A score, and what it is to reach."""

    measure: str  # a key of `overall`
    text: str
    value: float | None = None  # at least
    beats: str | None = None  # above every baseline whose name begins so; "" all of them


@dataclass(frozen=True)
class Set:
    """A data set: its folder under --data, goals, and the scores that are told beside them."""

    name: str
    folder: str
    text: str
    goals: tuple[Goal, ...]
    beside: tuple[str, ...]


SETS = {
    s.name: s
    for s in (
        Set(
            "nab",
            "anomaly_nab",
            "NAB, 18 files",
            (Goal("nab_standard", "NAB score, standard profile", 60.0, ""),),
            (
                *("nab_standard", "nab_reward_low_FP", "nab_reward_low_FN", "nab_all_rows"),
                "nab_own_alarms",
            ),
        ),
        Set(
            "smd",
            "anomaly_smd_machine_1_4",
            "server machine 1-4, 38 channels",
            (Goal("vus_pr", "VUS-PR", beats=""), Goal("f1", "F1 of rows, own threshold", 0.45)),
            (
                *("vus_pr", "vus_roc", "average_precision", "f1", "best_f1", "range_f1"),
                *("events_found", "events", "alarms", "adjusted_f1", "random_adjusted_f1"),
            ),
        ),
        Set(
            "hdfs",
            "log_hdfs_deeplog",
            "HDFS sessions of event ids",
            (Goal("f1", "F1 of sessions, own threshold", 0.96),),
            (
                *("f1", "f1_deeplog_shares", "precision", "recall", "false_alarm_share"),
                *("average_precision", "auc"),
            ),
        ),
        Set(
            "nsl",
            "intrusion_nsl_kdd",
            "NSL-KDD, normal records alone in training",
            (
                Goal("average_precision", "average precision", 0.93),
                Goal("f1", "F1, own threshold", 0.85),
            ),
            ("average_precision", "auc", "f1", "best_f1", "precision", "recall"),
        ),
        Set(
            "fraud",
            "fraud_simulated_transactions",
            "card payments by customer, no labels",
            (Goal("average_precision", "average precision", beats="isolation forest"),),
            ("average_precision", "auc", "f1", "best_f1", "precision", "recall"),
        ),
    )
}
