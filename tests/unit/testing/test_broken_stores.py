"""The kit finds each store that breaks a law, and names the law."""

import pytest
from tests.unit.testing.broken_stores import BROKEN, HangsAfterAFork

from file_dataset.adapters.local import LocalStore
from file_dataset.domain.url import Url
from file_dataset.testing import LAWS, LawBroken, check_store


def place(kind, tmp_path):
    """What makes the store, and where in it to work."""
    if issubclass(kind, LocalStore):
        return kind, Url.local(tmp_path / "root")
    store = kind()
    return lambda: store, Url.parse("memory://kit/root")


@pytest.mark.parametrize(
    ("law", "kind"), [(law, kind) for law, kinds in BROKEN.items() for kind in kinds]
)
def test_finds_the_broken_law(law, kind, tmp_path, sample_laws):
    sample_laws(but=law)
    make_store, root = place(kind, tmp_path)
    # Who waits for what hangs waits in vain, so not for long, and not where starting takes time.
    hangs = kind is HangsAfterAFork
    laws, patience = ([law], 3) if hangs else (LAWS, 60)

    with pytest.raises(LawBroken) as caught:
        check_store(make_store, root, laws=laws, patience=patience)

    assert caught.value.law == law, str(caught.value)


def test_every_law_is_broken_by_a_store():
    assert sorted(BROKEN) == sorted(LAWS) == list(range(1, 16))
    assert all(BROKEN.values())


def test_a_finding_says_what_was_done_expected_and_seen():
    store = BROKEN[9][0]()

    with pytest.raises(LawBroken) as caught:
        check_store(lambda: store, Url.parse("memory://kit/root"), laws=[9])

    lines = str(caught.value).splitlines()
    assert lines[0] == f"law 9 is broken: {LAWS[9].text}"
    assert lines[1].startswith("  done:     Read(")
    assert lines[2].startswith("  expected: b")
    assert lines[3].startswith("  seen:     b")
