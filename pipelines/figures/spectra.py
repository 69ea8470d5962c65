"""Power spectra before and after cleaning."""

from collections.abc import Mapping

import numpy as np

from calcarine.pipelines.figures.style import (
    CONTROL,
    SERIES,
    grid_lines,
    house_style,
    new_figure,
    to_png,
)

Curve = tuple[np.ndarray, np.ndarray]


def spectra_plot(before: Mapping[str, Curve], after: Mapping[str, Curve], label: str) -> bytes:
    """Draw the power density of each type of sensor as recorded (grey) and as cleaned.

    Parameters
    ----------
    before, after
        By type of sensor: frequencies in Hz and power density, each of shape (n_freqs,).
    label
        Of the vertical axis, with the unit.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=2.9)
        axes = figure.add_subplot()
        for (kind, (freqs, power)), shade in zip(after.items(), SERIES, strict=False):
            if kind in before:
                axes.semilogy(
                    before[kind][0],
                    before[kind][1],
                    color=CONTROL,
                    lw=1.2,
                    label=f"{kind}, as recorded",
                )
            axes.semilogy(freqs, power, color=shade, lw=1.6, label=f"{kind}, as cleaned")
        known = [p[p > 0] for _, p in (*before.values(), *after.values())]
        top = max(float(p.max()) for p in known)
        axes.set_ylim(top * 1e-7, top * 2)
        axes.yaxis.set_major_formatter("{x:g}")  # powers of ten as plain text
        axes.set_xlabel("Hz")
        axes.set_ylabel(label)
        axes.set_title("Power of the sensors (median)")
        grid_lines(axes, "y")
        figure.legend(loc="outside lower center", ncols=2)
        return to_png(figure)
