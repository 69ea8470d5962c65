"""Without a signal: how often intervals of the sensors' phantom miss chance.

    python benchmarks/amplitude_zero.py --modality eeg --n-seeds 10

Walks the phantom's road (source, prepare, embed, decode, over-time, evaluate) at amplitude 0 with
`--n-seeds` seeds and two people each, and prints a markdown table: rows of `metrics.tsv` with an
interval and a chance level, the share of them whose 95 % interval misses chance, and the share
that lies above it. Nominal are 0.05 and 0.025. Intervals of these shares draw whole recordings,
whose rows depend on each other. A last line counts recordings with a window before onset above
chance, with and without correction for the number of windows; the corrected one should be 0.05.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from calcarine.data.scores import bootstrap_interval, read_scores, share_interval
from calcarine.data.time_scores import read_time_scores
from calcarine.pipelines import decode, embed, evaluate, over_time, prepare, source
from calcarine.pipelines.config import Config, parse_config
from calcarine.pipelines.workflow import WORKFLOW

DECODERS = ("ridge-clip", "contrastive-clip")


def small(args: argparse.Namespace, seed: int, folder: Path) -> Config:
    """Configure a short recording of two people."""
    file = WORKFLOW / "config" / f"phantom_{args.modality}.yaml"
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    raw |= {"out": str(folder), "seed": seed, "subjects": ["01", "02"], "encode": {}}
    raw["reconstruct"], raw["evaluate"] = {}, {"repeat_curve": False, "n_bootstrap": 1000}
    sizes = {"n_train": 240, "n_train_again": 60, "n_test": 60, "n_test_repeats": 4}
    rest = {"amplitude": 0.0, "sampling_rate_hz": 125.0, "n_voxels": 200, "soa_s": 0.75}
    raw["source"] = {"kind": "phantom-meeg", "n_sessions": 1, "montage": "biosemi32"}
    raw["source"] |= sizes | rest
    raw["recording"]["epochs"] |= {"tmax": 0.4, "decim": 2}
    raw["embeddings"] = {name: raw["embeddings"][name] for name in ("clip", "category")}
    raw["decode"] = {name: raw["decode"][name] for name in DECODERS}
    raw["over_time"] = {"category": {**raw["over_time"]["category"], "step_s": 0.04}}
    return parse_config(raw, "amplitude_zero")


def walk(config: Config) -> None:
    """Run all steps."""
    source.run(config)
    for name in config.embeddings:
        embed.run(config, name)
    for subject in config.subjects:
        source.run(config, subject)
        prepare.run(config, subject)
        for name in config.decode:
            decode.run(config, subject, name)
        over_time.run(config, subject, "category")
        evaluate.run(config, subject)


def rows_of(config: Config) -> pd.DataFrame:
    """List what has an interval and a chance level."""
    scores = pd.concat([read_scores(config.layout.metrics(s)) for s in config.subjects])
    is_model = ~scores["model"].str.contains("/") & (scores["split"] == "test")
    scores = scores[is_model & (scores["protocol"] == "calcarine")]
    scores = scores.assign(where=scores["stage"] + " " + scores["model"])
    windows = pd.concat([read_time_scores(config.layout.over_time(s)) for s in config.subjects])
    windows = windows[(windows["window"] == "sliding") & ~windows["model"].str.contains("/")]
    windows = windows.assign(where="sliding windows")
    columns = ["subject", "where", "metric", "value", "ci_low", "ci_high", "chance"]
    found = pd.concat([scores[columns], windows[columns]], ignore_index=True)
    return found[found["chance"].notna() & found["ci_low"].notna()]


def before_onset(config: Config) -> pd.DataFrame:
    """Say of each recording whether any window before onset lies above chance."""
    scores = pd.concat([read_scores(config.layout.metrics(s)) for s in config.subjects])
    name = "share_above_chance_before_onset"
    rows = scores[scores["metric"].isin([name, f"{name}_corrected"])]
    any_above = rows.pivot(index="subject", columns="metric", values="value") > 0
    return any_above.rename(columns={name: "plain", f"{name}_corrected": "corrected"})


def share_text(table: pd.DataFrame, column: str) -> str:
    """Give the share of rows, with the interval of a bootstrap over recordings."""
    values = table[column].to_numpy(dtype=np.float64)
    low, high = bootstrap_interval(values, 0, clusters=table["recording"].to_numpy(), limits=(0, 1))
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modality", choices=("eeg", "meg"), default="eeg")
    parser.add_argument("--n-seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=100)
    args = parser.parse_args()
    parts, early = [], []
    for seed in range(args.first_seed, args.first_seed + args.n_seeds):
        with tempfile.TemporaryDirectory() as name:
            config = small(args, seed, Path(name) / "out")
            walk(config)
            found = rows_of(config)
            parts.append(found.assign(recording=found["subject"] + f" of {seed}"))
            early.append(before_onset(config))
    table = pd.concat(parts, ignore_index=True)
    table["above"] = table["ci_low"] > table["chance"]
    table["misses"] = table["above"] | (table["ci_high"] < table["chance"])
    print("| where | metric | intervals | miss chance | above chance |")
    print("| --- | --- | --- | --- | --- |")
    groups = [*table.groupby(["where", "metric"]), (("all", "all"), table)]
    for (where, metric), own in groups:
        shares = " | ".join(share_text(own, column) for column in ("misses", "above"))
        print(f"| {where} | {metric} | {len(own)} | {shares} |")
    joined = pd.concat(early)
    for column in ("plain", "corrected"):
        hits = joined[column].to_numpy(dtype=np.float64)
        low, high = share_interval(hits, 0)
        told = f"{int(hits.sum())} of {len(hits)} recordings, [{low:.3f}, {high:.3f}]"
        print(f"\nA window before onset above chance, {column}: {told}")


if __name__ == "__main__":
    main()
