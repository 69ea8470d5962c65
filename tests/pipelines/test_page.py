import jinja2
import pytest

from calcarine.pipelines.page import Figure, Figures, Fold, Section, Text, counted, number, render


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4567, "0.46"),
        (0.0995, "0.10"),
        (0.0167, "0.017"),
        (0.0001, "1e−04"),
        (-0.25, "−0.25"),
        (9.996, "10.0"),
        (54.64, "54.6"),
        (123.4, "123"),
        (0.0, "0"),
        (24.0, "24"),
        (float("nan"), "–"),
    ],
)
def test_numbers_have_the_digits_that_count(value, text):
    assert number(value) == text


def test_counts_have_their_noun():
    assert counted(1, "run") == "1 run"
    assert counted(1440, "trial") == "1,440 trials"


def test_folded_figures_are_found():
    figure = Figure("name", b"", "caption", "alt")
    section = Section("a", "A", [Text("x"), Fold("more", [Figures([figure])])])
    assert section.figures() == [figure]


def test_a_template_without_a_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="sections"):
        render("report.html.j2", {"title": "t", "subject": "01", "name": "n"})
