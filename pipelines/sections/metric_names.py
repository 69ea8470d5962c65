"""Names of metrics in words, and which of them lead."""

# the first one that was computed leads; the order was fixed before any value was seen
HEADLINES: dict[str, tuple[str, ...]] = {
    "encode": ("median_r", "mean_r"),
    "decode": (
        "brain_to_image_top1_centred",
        "brain_to_image_top1_raw",
        "accuracy",
    ),
    "reconstruct": ("two_way_identification_judge",),
}

WORDS: dict[str, str] = {
    "median_r": "median correlation of predicted with measured responses",
    "median_r_over_ceiling": "median correlation as a share of the noise ceiling",
    "mean_r": "mean correlation of predicted with measured responses",
    "brain_to_image_top1_centred": "share of brain responses whose own picture ranks first "
    "(cosine, centred by the training mean)",
    "brain_to_image_top1_raw": "share of brain responses whose own picture ranks first (cosine)",
    "accuracy": "share of items whose category was decoded",
    "two_way_identification_judge": "two-way identification in the judge's space",
}


def in_words(metric: str) -> str:
    """Describe a metric; an unknown one is spelled with spaces.

    Examples
    --------
    >>> in_words("colour_agreement")
    'colour agreement'
    """
    return WORDS.get(metric, metric.replace("_", " "))
