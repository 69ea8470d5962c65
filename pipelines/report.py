"""The report step: one self-contained HTML page a subject."""

from calcarine.data.atomic import new_folder, write_text
from calcarine.pipelines.config import Config
from calcarine.pipelines.page import Figure, Section, render
from calcarine.pipelines.provenance import write_provenance
from calcarine.pipelines.sections.comparisons import comparisons
from calcarine.pipelines.sections.decoding import decoding
from calcarine.pipelines.sections.encoding import encoding
from calcarine.pipelines.sections.failures import failures
from calcarine.pipelines.sections.few_pictures import few_pictures
from calcarine.pipelines.sections.geometry import geometry
from calcarine.pipelines.sections.integration import integration
from calcarine.pipelines.sections.methods import methods
from calcarine.pipelines.sections.metrics import metrics
from calcarine.pipelines.sections.over_time import over_time
from calcarine.pipelines.sections.provenance import provenance
from calcarine.pipelines.sections.quality import quality
from calcarine.pipelines.sections.reconstruction import reconstruction
from calcarine.pipelines.sections.selectivity import selectivity
from calcarine.pipelines.sections.summary import summary
from calcarine.pipelines.subject_record import SubjectRecord, read_record

# in the order of the page; one that has nothing to show gives None
SECTIONS = (
    summary,
    quality,
    encoding,
    comparisons,
    few_pictures,
    geometry,
    integration,
    decoding,
    over_time,
    reconstruction,
    selectivity,
    metrics,
    failures,
    methods,
    provenance,
)


def run(config: Config, subject: str) -> None:
    """Draw the report of one subject.

    Reads the subject's tables; writes `sub-<subject>.html`, `figures/` and `provenance.json`.

    Parameters
    ----------
    config
        The configuration.
    subject
        Subject label.

    Raises
    ------
    CalcarineError
        The scores or responses of the subject are not there.
    """
    record = read_record(config, subject)
    sections = build_sections(record)
    figures = {f.name: f for section in sections for f in section.figures()}
    write_figures(config, subject, list(figures.values()))
    write_provenance(config, subject)
    write_text(config.layout.page(subject), page_html(record, sections))


def build_sections(record: SubjectRecord) -> list[Section]:
    """Build the sections that have something to show, in order."""
    return [section for build in SECTIONS if (section := build(record)) is not None]


def page_html(record: SubjectRecord, sections: list[Section]) -> str:
    """Render the page; equal records give equal bytes."""
    return render(
        "report.html.j2",
        {
            "title": f"sub-{record.subject} · {record.config.name}",
            "subject": record.subject,
            "name": record.config.name,
            "sections": sections,
        },
    )


def write_figures(config: Config, subject: str, figures: list[Figure]) -> None:
    """Write the figures as files too, for slides and papers."""
    with new_folder(config.layout.figures(subject)) as folder:
        for figure in figures:
            (folder / f"{figure.name}.png").write_bytes(figure.png)
