import numpy as np
import pandas as pd
import pytest

from calcarine.data.scores import Score
from calcarine.decoders.item_metrics import ItemMetric
from calcarine.decoders.permutation_scores import all_permutation_rows, permutation_rows

ITEMS = pd.DataFrame({"item": [0, 0, 1, 2]})


def _metric(values, name="accuracy", chance=0.25, ceiling=1.0):
    return ItemMetric(name, np.array(values, dtype=float), chance, ceiling)


def _measured(value, name="accuracy"):
    return Score("01", "decode", "lda", "category", name, "calcarine", "test", 3, 1, value)


def test_mean_interval_and_p_by_hand():
    # items 0 (two trials), 1, 2: means over items 2/3, 1/3, 0
    refits = [(_metric(v), ITEMS) for v in ([1, 1, 1, 0], [1, 0, 0, 0.5], [0, 0, 0, 0])]
    row, p = permutation_rows(_measured(2 / 3), refits)
    assert row.model == "lda/shuffled-labels"
    assert row.value == pytest.approx((2 / 3 + 1 / 3) / 3)
    assert (row.ci_low, row.ci_high) == pytest.approx(
        tuple(np.quantile([2 / 3, 1 / 3, 0], [0.025, 0.975]))
    )
    assert p.metric == "accuracy_permutation_p"
    assert p.value == pytest.approx(2 / 4)
    assert "1 of 3 refits" in p.note


def test_of_a_rank_lower_is_better():
    refits = [(_metric([v] * 4, "rank", 0.5, 0.0), ITEMS) for v in (0.1, 0.5, 0.6)]
    _, p = permutation_rows(_measured(0.1, "rank"), refits)
    assert p.value == pytest.approx(2 / 4)


def test_p_is_never_zero():
    refits = [(_metric([0, 0, 0, 0]), ITEMS)] * 9
    assert permutation_rows(_measured(1.0), refits)[1].value == pytest.approx(0.1)


def test_metrics_without_a_ceiling_have_no_control():
    size = _metric([4] * 4, "gallery_size", np.nan, np.nan)
    rows = all_permutation_rows({"accuracy": _measured(1.0)}, [([_metric([1] * 4), size], ITEMS)])
    assert {r.metric for r in rows} == {"accuracy", "accuracy_permutation_p"}
    assert all_permutation_rows({}, []) == []
