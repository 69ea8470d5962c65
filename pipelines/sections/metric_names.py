"""Names of metrics in words, and which of them lead."""

# the first one that was computed leads; the order was fixed before any value was seen
HEADLINES: dict[str, tuple[str, ...]] = {
    "encode": ("r_median",),
    "decode": (
        "brain_to_image_top1_centred",
        "brain_to_image_top1_raw",
        "accuracy",
    ),
    "reconstruct": (
        "two_way_identification_judge",
        "category_agreement_judge",
        "colour_agreement_judge",
        "pixcorr",
        "ssim_2d",
    ),
}

WORDS: dict[str, str] = {
    "r_median": "median correlation of predicted with measured responses",
    "r_over_ceiling_median": "median correlation as a share of the noise ceiling",
    "r2_median": "median share of response variance explained",
    "brain_to_image_top1_centred": "share of brain responses whose own picture ranks first "
    "(cosine, centred by the training mean)",
    "brain_to_image_top1_raw": "share of brain responses whose own picture ranks first (cosine)",
    "accuracy": "share of items whose category was decoded",
    "two_way_identification_judge": "share of comparisons that the right picture wins in the "
    "judge's space (two-way identification)",
    "category_agreement_judge": "share of pictures whose category the judge reads alike in target "
    "and reconstruction",
    "colour_agreement_judge": "share of pictures whose colour the judge reads alike in target "
    "and reconstruction",
    "pixcorr": "correlation of pixels",
    "ssim_2d": "structural similarity (two-dimensional window)",
    "ssim_1d_columns": "structural similarity (columns as channels, as older code computed it)",
}


def in_words(metric: str) -> str:
    """Describe a metric; an unknown one is spelled with spaces.

    Examples
    --------
    >>> in_words("colour_agreement")
    'colour agreement'
    """
    return WORDS.get(metric, metric.replace("_", " "))
