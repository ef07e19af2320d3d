"""What the kit says of stores that keep the laws, each in its way."""

import importlib
import sys
import threading

import attrs
import pytest
from tests.unit.testing.broken_stores import (
    CreatesOverWhatIsThere,
    IgnoresEtags,
    ListsWhatBeginsAlike,
    LosesAnOutcome,
    PicklesEmpty,
)

import file_dataset.testing
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import MissingDependencyError, UnsupportedError
from file_dataset.domain.objects import CREATE, IfMatch
from file_dataset.domain.requests import (
    Copy,
    Delete,
    Download,
    Read,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.url import Url
from file_dataset.testing import LAWS, Finding, LawBroken, check_store

ROOT = Url.parse("memory://kit/root")


def only(*verbs, base=MemoryStore, **more):
    return type("Only", (base,), {"verbs": frozenset(verbs), **more})


def check(kind, root=ROOT, **more):
    store = kind()
    return check_store(lambda: store, root, **more)


def names_of(verbs):
    return "+".join(sorted(verb.__name__ for verb in verbs))


def findings(report):
    return {verdict.law.number: verdict.finding for verdict in report.verdicts}


def test_a_good_store_keeps_all_laws(tmp_path):
    for report in (check(MemoryStore), check_store(LocalStore, Url.local(tmp_path / "root"))):
        assert findings(report) == dict.fromkeys(LAWS, Finding.KEPT)
        assert all(f"{number:>2}. {law.name}" in str(report) for number, law in LAWS.items())
        assert str(report).count("kept") == 15


@pytest.mark.usefixtures("laws_are_sampled")
def test_the_place_is_empty_afterwards(tmp_path):
    store = MemoryStore()
    check_store(lambda: store, ROOT)
    assert list(store.list(ROOT)) == []
    check_store(LocalStore, Url.local(tmp_path / "root"), laws=[4, 12])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("laws_are_sampled")
@pytest.mark.parametrize(
    "verbs",
    [
        {Write, Read},
        {Write, Read, Delete},
        {Upload, Download, Stat},
        {Upload, Read, Copy, Delete},
        {Write, Download},
    ],
    ids=names_of,
)
def test_a_store_that_can_do_less_keeps_the_laws_of_what_it_can(verbs):
    found = findings(check(only(*verbs)))
    assert set(found.values()) == {Finding.KEPT, Finding.REFUSED} or Delete in verbs
    assert (found[6] is Finding.REFUSED) == (Delete not in verbs)
    assert (found[9] is Finding.REFUSED) == (Read not in verbs)


@pytest.mark.usefixtures("laws_are_sampled")
@pytest.mark.parametrize("verbs", [{Read, Stat, Download}, {Read}, {Download}], ids=names_of)
def test_a_store_that_only_reads_is_checked_by_what_it_has(verbs, tmp_path):
    names = ["a.txt", "deep/er/b c.txt", "empty", "deep/x%20y#z"]
    contents = {
        Url.local(tmp_path).joined(name): name.encode() * (name != "empty") for name in names
    }
    for url, data in contents.items():
        LocalStore().write(url, data)
    # Not pickled, because the other process would know no such class.
    kind = only(*verbs, base=LocalStore, __reduce__=_refuse)

    found = findings(check(kind, Url.local(tmp_path), contents=contents))

    refused = {number for number, finding in found.items() if finding is Finding.REFUSED}
    assert refused - {4, 9} == {5, 6, 7, 8}
    assert (4 in refused) == (Download not in verbs)
    assert (9 in refused) == (Read not in verbs)
    contents[Url.local(tmp_path).joined("missing")] = b""
    with pytest.raises(LawBroken):
        check(kind, Url.local(tmp_path), contents=contents)


def _refuse(self):
    raise TypeError("this store stays where it is")


@pytest.mark.usefixtures("laws_are_sampled")
def test_a_store_that_lists_nothing_may_say_so():
    def cannot(self, prefix, /, *, recursive=True):
        raise UnsupportedError("no listing")

    assert findings(check(type("Unlisted", (MemoryStore,), {"list": cannot})))[10] is Finding.KEPT


def test_a_store_that_lists_now_and_then_is_found_out():
    class Moody(MemoryStore):
        refused = False

        def list(self, prefix, /, *, recursive=True):
            if not self.refused:
                self.refused = True
                raise UnsupportedError("no listing")
            return super().list(prefix, recursive=recursive)

    with pytest.raises(LawBroken) as caught:
        check(Moody)
    assert caught.value.law == 10


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (LosesAnOutcome, 1),
        (CreatesOverWhatIsThere, 7),
        (IgnoresEtags, 8),
        (ListsWhatBeginsAlike, 10),
        (PicklesEmpty, 14),
    ],
)
def test_a_declared_deviation_is_looked_at_and_reported(kind, law, sample_laws):
    sample_laws(but=law)
    words = {law: "does something else"}
    declared = type(kind.__name__, (kind,), {"deviations": words})
    report = check(declared, laws=[number for number in LAWS if law != 1 or number == 1])
    assert findings(report)[law] is Finding.DEVIATES
    assert f"{LAWS[law].name:<26} deviates (declared): does something else" in str(report)
    assert [*findings(report).values()].count(Finding.DEVIATES) == 1


@pytest.mark.parametrize("law", LAWS)
def test_a_deviation_that_is_none_is_a_broken_promise(law, tmp_path, sample_laws, monkeypatch):
    sample_laws(but=law)
    monkeypatch.setattr("file_dataset.testing.check._ATTEMPTS_TO_DEVIATE", 3)

    def declared():
        store = LocalStore()
        store.deviations = {law: "so they say"}
        return store

    with pytest.raises(LawBroken, match="so they say") as caught:
        check_store(declared, Url.local(tmp_path / "root"), laws=[law])
    assert caught.value.law == law


@pytest.mark.usefixtures("laws_are_sampled")
def test_a_store_without_etags_refuses_every_one():
    class Untagged(MemoryStore):
        def _write(self, url, data, mode):
            if isinstance(mode, IfMatch):
                raise UnsupportedError("objects have no etags here")
            super()._write(url, data, mode)

        def _stat(self, url):
            return attrs.evolve(super()._stat(url), etag=None)

    assert findings(check(Untagged, laws=[8])) == {8: Finding.KEPT}


def test_who_hangs_in_a_race_is_not_waited_for():
    class Hangs(MemoryStore):
        def _write(self, url, data, mode):
            if mode is CREATE and url not in self._objects:
                threading.Event().wait(5)
            super()._write(url, data, mode)

    with pytest.raises(LawBroken, match=r"still running after 0\.1 seconds") as caught:
        check(Hangs, laws=[7], patience=0.1)
    assert caught.value.law == 7


@pytest.mark.usefixtures("laws_are_sampled")
def test_a_deviation_excuses_no_other():
    both = type("Both", (CreatesOverWhatIsThere, IgnoresEtags), {"deviations": {7: "creates over"}})
    with pytest.raises(LawBroken) as caught:
        check(both)
    assert caught.value.law == 8


def test_a_deviation_is_from_a_law_that_there_is():
    with pytest.raises(ValueError, match="16"):
        check(type("Declared", (MemoryStore,), {"deviations": {16: "what?"}}))


def test_only_some_laws_are_checked_if_so_wanted():
    assert [*findings(check(MemoryStore, laws=[9, 1]))] == [9, 1]


def test_the_kit_needs_an_empty_place_or_contents():
    store = MemoryStore()
    store.write(ROOT.joined("mine"), b"data")
    with pytest.raises(ValueError, match="mine"):
        check_store(lambda: store, ROOT)
    assert store.read(ROOT.joined("mine")) == b"data"
    with pytest.raises(ValueError, match="contents"):
        check(only(Read))
    with pytest.raises(ValueError, match="nothing back"):
        check(only(Write, Stat))


def test_laws_have_the_words_of_the_port():
    for number, law in LAWS.items():
        assert law.number == number
        assert len(law.text) > 20
        assert "  " not in law.text
    assert LAWS[6].text == "Delete of a missing object succeeds."
    assert LAWS[15].text.endswith("It never hangs or mixes answers.")


def test_who_has_no_hypothesis_is_told_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingDependencyError, match=r"file-dataset\[testing\]"):
        importlib.reload(file_dataset.testing)


def test_the_face_of_the_kit():
    assert len(set(file_dataset.testing.__all__)) == len(file_dataset.testing.__all__)
    assert all(hasattr(file_dataset.testing, name) for name in file_dataset.testing.__all__)


def test_what_is_not_offered_is_refused_by_proof_and_not_by_trust():
    class Copies(MemoryStore):
        verbs = frozenset({Read, Write})

        def _carry_out(self, request):
            if isinstance(request, Copy):
                return self._copy(request.source, request.url, request.mode)
            return super()._carry_out(request)

    with pytest.raises(LawBroken) as caught:
        check(Copies, laws=[4])
    assert caught.value.law == 13
