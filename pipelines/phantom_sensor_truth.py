"""What was planted in the phantom's EEG or MEG against what was found over time."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcarine.data.embeddings import Embeddings
from calcarine.data.phantom.meeg.truth import SensorTruth
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.data.time_windows import Window
from calcarine.encoders.encoding_scores import correlation

PROTOCOL = "phantom"
_ALIGNED_S = (-0.1, 0.15)


@dataclass(frozen=True)
class FactorCourses:
    """How well each category could be read in windows that slide.

    Attributes
    ----------
    names
        Categories.
    centres_s
        Middles of the windows, shape (n_windows,).
    predicted
        Predicted codes, shape (n_windows, n_items, n_names).
    codes
        True codes, shape (n_items, n_names).
    n_repeats
        Repeats that were averaged.
    """

    names: list[str]
    centres_s: np.ndarray
    predicted: np.ndarray
    codes: np.ndarray
    n_repeats: int

    def r(self, rows: np.ndarray) -> np.ndarray:
        """Correlate predicted and true codes over some items, shape (n_windows, n_names)."""
        n_windows, _, n_names = self.predicted.shape
        predicted = self.predicted[:, rows].transpose(1, 0, 2).reshape(len(rows), -1)
        r = correlation(predicted, np.tile(self.codes[rows], n_windows))
        return np.asarray(r.reshape(n_windows, n_names))


def factor_courses(predictions: Predictions, embeddings: Embeddings) -> FactorCourses:
    """Take the sliding windows out of an entry of `over_time` whose target is `concept-codes`."""
    items = predictions.items
    chosen = items[(items["brain"] == "measured") & (items["window"] == "sliding")]
    predicted, centres, shown = [], [], None
    for (start, stop), own in chosen.groupby(["start_s", "stop_s"], sort=True):
        ordered = own.sort_values("stimulus_id")
        predicted.append(np.asarray(predictions.values[ordered.index.to_numpy()]))
        centres.append(Window(start, stop).centre_s)
        shown = ordered["stimulus_id"].tolist()
    assert shown is not None
    codes = np.asarray(embeddings.flat[embeddings.rows(shown)])
    n_repeats = int(chosen["n_repeats"].iloc[0])
    names = list(embeddings.sidecar["concepts"])
    return FactorCourses(names, np.array(centres), np.stack(predicted), codes, n_repeats)


def latency_scores(
    courses: FactorCourses, truth: SensorTruth, template: Score, seed: int, n_draws: int
) -> list[Score]:
    """Compare when categories are read best with when their patches respond.

    Parameters
    ----------
    courses
        From `factor_courses`.
    truth
        What was planted.
    template
        Subject, model and split of the rows.
    seed, n_draws
        Bootstrap over items.

    Returns
    -------
    list of Score
        Metric `peak_latency_error_s`, found minus planted: one row a category (target
        `planted-<category>`), and `planted-categories` for the mean of all courses, each moved by
        its planted latency. The note names patch, latency, and when the best linear decoder reads
        the category best.
    """
    template = replace(
        template,
        metric="peak_latency_error_s",
        protocol=PROTOCOL,
        n_items=len(courses.codes),
        n_repeats=courses.n_repeats,
    )
    latencies = truth.patches.set_index("roi")["latency_s"]
    carriers = truth.facts["carriers"]
    known = [i for i, name in enumerate(courses.names) if name in carriers]
    planted = np.array([latencies[carriers[courses.names[i]]] for i in known])
    rng = np.random.default_rng(derive_seed(seed, template.subject, template.model, "planted"))
    n_items = len(courses.codes)
    draws = [courses.r(rng.integers(0, n_items, n_items))[:, known] for _ in range(n_draws)]
    curves = np.stack([courses.r(np.arange(n_items))[:, known], *draws])
    after = courses.centres_s > 0
    peaks = courses.centres_s[after][np.nan_to_num(curves[:, after]).argmax(axis=1)]
    ideal = truth.information.pivot(index="code", columns="time_s", values="r")
    rows = []
    for place, number in enumerate(known):
        name = courses.names[number]
        best = float(ideal.columns[int(np.argmax(ideal.loc[name]))])
        note = (
            f"{carriers[name]} planted at {planted[place]:.3f} s; the best linear decoder peaks at "
            f"{best:.2f} s"
        )
        row = replace(template, target=f"planted-{name}", note=note)
        rows.append(_with_interval(row, peaks[:, place] - planted[place]))
    aligned = _aligned_peaks(curves, courses.centres_s, planted)
    note = "peak of the mean of all courses, each moved by its planted latency"
    return [
        *rows,
        _with_interval(replace(template, target="planted-categories", note=note), aligned),
    ]


def _aligned_peaks(curves: np.ndarray, centres_s: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """Find the peak of the mean course relative to the planted latencies, one a draw."""
    grid = np.arange(_ALIGNED_S[0], _ALIGNED_S[1] + 1e-9, 0.002)
    total = np.zeros((len(curves), len(grid)))
    for column, latency in enumerate(planted):
        for draw, curve in enumerate(np.nan_to_num(curves[:, :, column])):
            total[draw] += np.interp(grid + latency, centres_s, curve)
    return np.asarray(grid[total.argmax(axis=1)])


def _with_interval(row: Score, found: np.ndarray) -> Score:
    """Fill a row with the first value and the quantiles of the others."""
    low, high = np.quantile(found[1:], [0.025, 0.975]) if len(found) > 1 else (np.nan, np.nan)
    return replace(row, value=float(found[0]), ci_low=float(low), ci_high=float(high), ceiling=0.0)


def residuals(values: np.ndarray, conditions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take what the repeats of a condition do not share.

    Parameters
    ----------
    values
        Shape (n_trials, n_channels, n_times).
    conditions
        What each trial showed; those that were shown once are left out.

    Returns
    -------
    tuple of numpy.ndarray
        Residuals with the variance of single trials, shape (n_kept, n_channels, n_times), and the
        number of the condition of each.
    """
    _, codes, counts = np.unique(conditions, return_inverse=True, return_counts=True)
    parts, owners = [np.empty((0, *values.shape[1:]))], []
    for condition in np.flatnonzero(counts >= 2):
        own = np.asarray(values[codes == condition], dtype=np.float64)
        parts.append((own - own.mean(axis=0)) * np.sqrt(len(own) / (len(own) - 1)))
        owners += [condition] * len(own)
    return np.concatenate(parts), np.array(owners, dtype=int)


def expected_variance(fitted_on: np.ndarray, owners: np.ndarray) -> float:
    """Say which variance new trials have after whitening, from the trials that it was fitted on.

    What a covariance S from n samples makes of new ones is what it makes of a condition that was
    left out of it. With X the whitened samples of a condition and M = X Xᵀ, leaving X out turns M
    into M (1 − M / n)⁻¹ (Woodbury), which counts samples that depend on each other as what they
    are, and holds for a shrunk covariance too. Where samples are independent and nothing is shrunk,
    the variance is that of `whitened_variance`.

    Parameters
    ----------
    fitted_on
        Whitened residuals of the training trials, shape (n_trials, n_channels, n_times).
    owners
        Condition of each trial, shape (n_trials,).

    Returns
    -------
    float
        Mean variance of a channel.
    """
    n_trials, n_channels, n_times = fitted_on.shape
    n_samples = n_trials * n_times
    total = 0.0
    for condition in np.unique(owners):
        own = fitted_on[owners == condition].transpose(0, 2, 1).reshape(-1, n_channels)
        squares = np.linalg.eigvalsh(own @ own.T)
        left = 1 - np.minimum(squares / n_samples, 1 - 1e-9)
        total += (1 - len(own) / n_samples) * float((squares / left).sum())
    return total / (n_samples * n_channels)


@dataclass(frozen=True)
class Whitened:
    """Trials of one session after whitening.

    Attributes
    ----------
    train, test
        Shape (n_trials, n_channels, n_times).
    train_shown, test_shown
        What each trial showed, shape (n_trials,).
    """

    train: np.ndarray
    train_shown: np.ndarray
    test: np.ndarray
    test_shown: np.ndarray

    def compare(self) -> pd.DataFrame:
        """Give variance and what theory says, one row a test stimulus that was repeated."""
        fitted_on, owners = residuals(self.train, self.train_shown)
        found, shown = residuals(self.test, self.test_shown)
        if not len(found) or not len(fitted_on):
            return pd.DataFrame({"stimulus": [], "variance": [], "theory": []}, dtype=float)
        table = pd.DataFrame({"stimulus": np.unique(self.test_shown)[shown]})
        table["variance"] = (found**2).mean(axis=(1, 2))
        table = table.groupby("stimulus", as_index=False).mean()
        table["theory"] = expected_variance(fitted_on, owners)
        return table


def whitening_scores(
    sessions: list[Whitened], template: Score, seed: int, n_draws: int
) -> list[Score]:
    """Check that whitening, fitted on training trials, leaves test trials what theory says.

    Parameters
    ----------
    sessions
        Trials after whitening, each session with its own.
    template
        Subject and split of the row.
    seed, n_draws
        Bootstrap over test stimuli.

    Returns
    -------
    list of Score
        Model `mvnn`, target `planted-noise`, metric `whitened_variance_over_theory`: 1 where the
        whitening has seen no test trial; below 1 where it has.
    """
    row = replace(
        template,
        stage="prepare",
        model="mvnn",
        target="planted-noise",
        metric="whitened_variance_over_theory",
        protocol=PROTOCOL,
        n_repeats=1,
    )
    table = pd.concat([session.compare() for session in sessions], ignore_index=True)
    if table.empty:
        return [replace(row, note="not computed: nothing was repeated")]
    ratio = table["variance"] / table["theory"]
    by_stimulus = ratio.groupby(table["stimulus"]).mean().to_numpy()
    rng = np.random.default_rng(derive_seed(seed, template.subject, "whitening"))
    draws = rng.integers(0, len(by_stimulus), (n_draws, len(by_stimulus)))
    ratios = np.r_[by_stimulus.mean(), by_stimulus[draws].mean(axis=1)]
    variance, theory = table["variance"].mean(), table["theory"].mean()
    note = f"variance of a test trial's noise {variance:.3f}, theory {theory:.3f}"
    row = replace(row, n_items=len(by_stimulus), note=note)
    return [replace(_with_interval(row, ratios), ceiling=1.0)]
