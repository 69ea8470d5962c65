"""Configuration, versions, seeds and hashes: what makes the page repeatable."""

from calcarine.pipelines.page import Block, Code, Fold, Link, Section, Table, Text
from calcarine.pipelines.provenance import origin
from calcarine.pipelines.subject_record import SubjectRecord


def provenance(record: SubjectRecord) -> Section:
    """Show what is equal in every run; time, host and cost are linked, not shown."""
    known = origin(record.config, record.subject)
    git = known["git"]
    commit = (
        "The code was no git checkout."
        if git is None
        else f"Commit {git['commit']}{', with changes since' if git['changed'] else ''}."
    )
    blocks: list[Block] = [
        Text(
            f"Seed {record.config.seed}; every step derives its own from it by hashing the seed "
            f"with the names of subject, step and model. {commit} Two runs of this configuration "
            "on one machine give this page byte by byte; what differs between runs (time, host, "
            "and the time and memory that each step took) stands in provenance.json and on the "
            "page of costs, which is written when all subjects are done."
        ),
        Link("Time, host and cost of each step", f"sub-{record.subject}/provenance.json"),
        Link("What each job asked for and used", "logs/efficiency.html"),
        Fold("Configuration as resolved", [Code(known["configuration_yaml"])]),
        Fold("Versions", [Table("", ["package", "version"], list(known["versions"].items()), 2)]),
        Fold("Hashes (SHA-256)", [Table("", ["file", "hash"], list(known["hashes"].items()), 2)]),
    ]
    return Section("provenance", "Provenance", blocks)
