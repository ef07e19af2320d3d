"""Do the laws of ``Store`` hold for a store? Each of them is checked, and none is left out."""

from __future__ import annotations

import enum
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import attrs

from file_dataset.domain.requests import (
    Copy,
    Delete,
    Download,
    Prepare,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing import (
    laws_atomic,
    laws_batches,
    laws_keys,
    laws_processes,
    laws_reading,
    laws_writing,
)
from file_dataset.testing._kit import Kit
from file_dataset.testing._words import TEXTS, LawBroken

# How often a law is tried that a store says it does not keep: of slow ones as often as fits into so
# many seconds, and at least a few times.
_ATTEMPTS_TO_DEVIATE = 30
_LEAST_ATTEMPTS = 3
_PATIENCE = 10.0


@attrs.frozen
class Law:
    """One of the laws of ``Store``.

    Args:
        number: Its number there.
        name: A few words for it.
        check: Raises LawBroken if the store of a kit breaks it.
        about: The verbs that it is about; none if it is about all of them.
    """

    number: int
    name: str
    check: Callable[[Kit], None]
    about: tuple[Verb, ...] = ()

    @property
    def text(self) -> str:
        """What the docstring of ``Store`` says."""
        return TEXTS[self.number]


LAWS: dict[int, Law] = {
    law.number: law
    for law in (
        Law(1, "one outcome per request", laws_batches.one_outcome_each),
        Law(2, "failures stay inside", laws_batches.failures_stay_inside),
        Law(3, "nothing left running", laws_batches.nothing_left_running),
        Law(
            4,
            "whole or nothing",
            laws_atomic.whole_or_nothing,
            about=(Write, Upload, Copy, Download, Prepare),
        ),
        Law(5, "later reads see it", laws_writing.later_reads_see_it, about=(Write, Upload)),
        Law(6, "deleting what is missing", laws_writing.deleting_what_is_missing, about=(Delete,)),
        Law(7, "one creator wins", laws_writing.one_creator_wins, about=(Write, Upload)),
        Law(8, "stale etags are refused", laws_writing.stale_etags_are_refused, (Write, Upload)),
        Law(9, "spans are clipped", laws_reading.spans_are_clipped, about=(Read,)),
        Law(10, "listing is by segments", laws_reading.listing_is_by_segments),
        Law(11, "sizes agree", laws_reading.sizes_agree, about=(Stat, Read, Download)),
        Law(12, "keys are opaque", laws_keys.keys_are_opaque),
        Law(13, "verbs are true", laws_batches.verbs_are_true),
        Law(14, "pickles do the work", laws_processes.pickles_do_the_work),
        Law(15, "forks are safe", laws_processes.forks_are_safe),
    )
}
"""The laws, by number."""


class Finding(enum.Enum):
    """What became of a law."""

    KEPT = "kept"
    REFUSED = "kept (verb refused)"
    DEVIATES = "deviates (declared)"


@attrs.frozen
class Verdict:
    """What the kit found about one law.

    Args:
        law: The law.
        finding: Whether it is kept.
        note: What the store does instead, or what it refuses.
    """

    law: Law
    finding: Finding
    note: str = ""

    def __str__(self) -> str:
        line = f"{self.law.number:>2}. {self.law.name:<26} {self.finding.value}"
        return f"{line}: {self.note}" if self.note else line


@attrs.frozen
class Report:
    """A verdict for each law that was checked, of which none is broken.

    Args:
        verdicts: In the order of the laws.
    """

    verdicts: tuple[Verdict, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.verdicts))


def check_store(
    make_store: Callable[[], Store],
    root: Url,
    *,
    contents: Mapping[Url, bytes] | None = None,
    laws: Iterable[int] = tuple(LAWS),
    patience: float = 60.0,
) -> Report:
    """Check a store by the laws of ``Store``.

    A law about verbs that the store does not offer is kept if these are refused. A deviation that
    the store declares is a claim like any other: the store must really deviate.

    Args:
        make_store: Gives a store; each call may give the same or another client of the same place.
            A server behind it belongs in another process: threads that begin here while the store
            is used are taken for the store's.
        root: An empty prefix that the kit may write below, and leaves empty if it can.
        contents: For a store that cannot write: the objects that are below the root.
        laws: The numbers of the laws to check.
        patience: Seconds after which a thread or a process counts as hanging.

    Returns:
        A verdict for each law.

    Raises:
        LawBroken: At the first law that the store breaks, or deviates from only in words.

    >>> from file_dataset.adapters.memory import MemoryStore
    >>> print(check_store(MemoryStore, Url.parse("memory://kit"), laws=[6]))
     6. deleting what is missing   kept
    """
    with tempfile.TemporaryDirectory(prefix="file_dataset-kit-") as scratch:
        kit = Kit(make_store, root, Path(scratch), contents=contents or {}, patience=patience)
        try:
            unknown = set(kit.store.deviations) - set(LAWS)
            if unknown:
                raise ValueError(f"deviations from laws that there are not: {sorted(unknown)}")
            report = Report(tuple(_verdict(kit, LAWS[number]) for number in laws))
            kit.clean_up()
        finally:
            kit.close()
    return report


def _verdict(kit: Kit, law: Law) -> Verdict:
    with kit.judging_by(law.number):
        return _judged(kit, law)


def _judged(kit: Kit, law: Law) -> Verdict:
    missing = [verb for verb in law.about if not kit.can(verb)]
    for verb in missing:
        laws_batches.refuses(kit, verb)
    note = ", ".join(verb.__name__ for verb in missing)
    if law.about and len(missing) == len(law.about):
        return Verdict(law, Finding.REFUSED, note)
    if law.number in kit.store.deviations:
        return _deviation(kit, law)
    law.check(kit)
    return Verdict(law, Finding.KEPT, f"{note} refused" if note else "")


def _deviation(kit: Kit, law: Law) -> Verdict:
    declared = kit.store.deviations[law.number]
    began = time.monotonic()
    # What shows only in a race may take more than one.
    for attempt in range(_ATTEMPTS_TO_DEVIATE):
        if attempt >= _LEAST_ATTEMPTS and time.monotonic() - began > _PATIENCE:
            break
        try:
            law.check(kit)
        except LawBroken as breach:
            if breach.law != law.number:
                raise
            return Verdict(law, Finding.DEVIATES, declared)
    raise LawBroken(
        law.number, "all that the kit knows to do", f"the declared deviation: {declared}", "none"
    )
