"""Values of channels where they are on the head, seen from above."""

from collections.abc import Mapping

import numpy as np

from calcarine.pipelines.figures.style import (
    INK,
    MUTED,
    house_style,
    new_figure,
    score_colours,
    short,
    to_png,
)


def channel_maps(places: np.ndarray, values: Mapping[str, np.ndarray], label: str) -> bytes:
    """Draw one head a model: a dot a channel, no interpolation between them.

    Parameters
    ----------
    places
        Channels in a plane, nose up, shape (n_channels, 2); NaN where a place is not known.
    values
        By model, shape (n_channels,); all share one colour scale.
    label
        Of the colours.

    Returns
    -------
    bytes
        PNG.
    """
    known = np.isfinite(places).all(axis=1)
    top = max(float(np.nanmax([np.nanmax(v[known]) for v in values.values()])), 0.1)
    centre = (places[known].min(axis=0) + places[known].max(axis=0)) / 2
    reach = 1.12 * float(np.linalg.norm(places[known] - centre, axis=1).max())
    n_columns = min(3, len(values))
    n_rows = -(-len(values) // n_columns)
    size = float(np.clip(2200 / max(int(known.sum()), 1), 8, 90))
    with house_style():
        figure = new_figure(height_in=0.5 + 1.75 * n_rows)
        grid = np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel()
        for axes in grid:
            axes.set_axis_off()
        for axes, (name, column) in zip(grid, values.items(), strict=False):
            turn = np.linspace(0, 2 * np.pi, 100)
            axes.plot(
                centre[0] + reach * np.cos(turn), centre[1] + reach * np.sin(turn), color=MUTED
            )
            nose = centre[1] + reach * np.array([0.99, 1.12, 0.99])
            axes.plot(centre[0] + reach * np.array([-0.1, 0, 0.1]), nose, color=MUTED)
            dots = axes.scatter(
                *places[known].T,
                c=column[known],
                s=size,
                cmap=score_colours(),
                vmin=0,
                vmax=top,
                edgecolors=INK,
                linewidths=0.3,
            )
            axes.set_aspect("equal")
            axes.set_title(short(name, 20), fontsize=9)
        bar = figure.colorbar(dots, ax=grid.tolist(), shrink=0.8, label=label)
        bar.outline.set_visible(False)
        return to_png(figure)
