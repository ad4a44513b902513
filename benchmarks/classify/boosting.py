"""Gradient boosting on the columns of the fraud set, one transaction at a time: what a sequence has to add to.

    python benchmarks/classify/boosting.py --data DIR

scikit-learn's HistGradientBoostingClassifier on the table that `gatework fit tag` reads; the number of trees is
chosen on the validation part, the score is the average precision on the test part.  The result is appended to
boosting.jsonl.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from sets import FRAUD, fraud
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

HERE = Path(__file__).resolve().parent
COLUMNS = [c for c in FRAUD if c not in ("customer", "time", "fraud")]


def rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Columns and labels of the labelled transactions."""
    table = pl.read_csv(path, infer_schema_length=None).filter(pl.col("fraud").is_not_null())
    return table.select(COLUMNS).to_numpy().astype(float), table["fraud"].to_numpy()


def main() -> None:
    """Fit, choose, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fraud(args.data, Path(folder))
        train, validation, test = (
            rows(Path(folder) / f"{part}.csv") for part in ("train", "validation", "test")
        )
    for seed in (int(s) for s in args.seeds.split(",")):
        found = []
        for trees in (50, 100, 200):
            for rate in (0.03, 0.1):
                model = HistGradientBoostingClassifier(
                    max_iter=trees, learning_rate=rate, early_stopping=False, random_state=seed
                ).fit(*train)
                score = average_precision_score(
                    validation[1], model.predict_proba(validation[0])[:, 1]
                )
                found.append((score, trees, rate, model))
        score, trees, rate, model = max(found, key=lambda f: f[0])
        line = {
            "seed": seed,
            "trees": trees,
            "learning_rate": rate,
            "validation_average_precision": float(score),
            "average_precision": float(
                average_precision_score(test[1], model.predict_proba(test[0])[:, 1])
            ),
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }
        with open(HERE / "boosting.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line)


if __name__ == "__main__":
    main()
