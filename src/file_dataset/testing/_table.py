"""What the kit found about several stores, as one table."""

from __future__ import annotations

from collections.abc import Mapping

from file_dataset.testing.check import LAWS, Finding, Report

_MARKS = {Finding.KEPT: "✓", Finding.REFUSED: "-", Finding.DEVIATES: "✗"}
_UNCHECKED = "·"


def law_table(reports: Mapping[str, Report]) -> str:
    """Stores and laws, in Markdown: ✓ kept, - its verbs are refused, ✗ deviates, · not checked.

    Args:
        reports: What ``check_store`` gave, by the names of the stores.

    >>> from file_dataset.adapters.memory import MemoryStore
    >>> from file_dataset.domain.url import Url
    >>> from file_dataset.testing import check_store
    >>> report = check_store(MemoryStore, Url.parse("memory://kit"), laws=[6, 13])
    >>> print(law_table({"memory": report}).splitlines()[-1])
    | memory | · | · | · | · | · | ✓ | · | · | · | · | · | · | ✓ | · | · |
    """
    heads = [f"| store | {' | '.join(map(str, LAWS))} |", f"|---{'|---' * len(LAWS)}|"]
    return "\n".join([*heads, *(_row(name, report) for name, report in reports.items())])


def _row(name: str, report: Report) -> str:
    found = {verdict.law.number: _MARKS[verdict.finding] for verdict in report.verdicts}
    return f"| {name} | {' | '.join(found.get(number, _UNCHECKED) for number in LAWS)} |"
