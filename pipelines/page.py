"""What a page is made of, and how it becomes HTML.

Sections are data; the templates alone know HTML. Everything is escaped, pictures are inlined, and
nothing is fetched from anywhere.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import jinja2
import numpy as np

import calcarine

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Text:
    """One paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Figure:
    """One picture with what it shows.

    Attributes
    ----------
    name
        File name without ending.
    png
        The picture.
    caption
        What is seen and how to read it.
    alt
        The message for somebody who does not see the picture.
    """

    name: str
    png: bytes
    caption: str
    alt: str


@dataclass(frozen=True)
class Figures:
    """Figures beside each other where there is room, below each other where there is not."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Table:
    """A table that scrolls where it is too wide.

    Attributes
    ----------
    caption
        What the rows are.
    columns
        Headings.
    rows
        Cells as text.
    n_text
        How many columns from the left are words; the others are numbers.
    pale
        Numbers of the rows that are controls.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_text: int = 1
    pale: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Card:
    """One question, its number and how far to trust it."""

    question: str
    value: str
    measure: str
    detail: str
    verdict: str


@dataclass(frozen=True)
class Cards:
    """The questions of the first screen."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[Card]


@dataclass(frozen=True)
class Thumbnail:
    """One small picture; without `png` it was not made."""

    alt: str
    png: bytes | None


@dataclass(frozen=True)
class Gallery:
    """Targets and what was made of them: one row an item, one column a condition."""

    kind: ClassVar[str] = "gallery"
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Thumbnail]]]
    pale: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Code:
    """Text as it stands in a file."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class References:
    """Cited works: text and DOI."""

    kind: ClassVar[str] = "references"
    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Link:
    """A file of the output tree, beside the page."""

    kind: ClassVar[str] = "link"
    text: str
    href: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    kind: ClassVar[str] = "items"
    sentences: Sequence[str]


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Fold:
    """Blocks behind a title, opened by a click and always open in print."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: "Sequence[Block]"


MAX_OPEN_ROWS = 8


def folded_if_long(table: Table) -> Table | Fold:
    """Put a table of more than `MAX_OPEN_ROWS` rows behind its title."""
    if len(table.rows) <= MAX_OPEN_ROWS:
        return table
    return Fold(f"{table.caption} ({len(table.rows)} rows)", [replace(table, caption="")])


Block = Text | Figures | Table | Cards | Gallery | Code | References | Link | Items | Heading | Fold


@dataclass(frozen=True)
class Section:
    """A chapter of the page."""

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)

    def figures(self) -> list[Figure]:
        """List the figures of the section, folded ones too."""
        return _figures(self.blocks)


def _figures(blocks: Sequence[Block]) -> list[Figure]:
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Figures):
            found += block.figures
        elif isinstance(block, Fold):
            found += _figures(block.blocks)
    return found


def data_uri(png: bytes) -> str:
    """Write a PNG into an address of its own."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def render(template: str, values: dict[str, object]) -> str:
    """Fill a template; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment.get_template(template).render(version=calcarine.__version__, **values)


def number(value: float) -> str:
    """Write a number for reading, with two or three digits that count; a dash for none.

    Examples
    --------
    >>> number(0.4567), number(0.0167), number(float("nan")), number(54.64), number(12.0)
    ('0.46', '0.017', '–', '54.6', '12')
    """
    if not np.isfinite(value):
        return "–"
    if float(value).is_integer():
        return f"{int(value)}"
    size = abs(value)
    if size < 0.0005:
        text = f"{value:.0e}"
    elif size < 0.0995:
        text = f"{value:.3f}"
    else:
        text = f"{value:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"
    return text.replace("-", "−")


def counted(n: int, noun: str) -> str:
    """Write a number and a noun.

    Examples
    --------
    >>> counted(1, "run"), counted(1200, "trial")
    ('1 run', '1,200 trials')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
