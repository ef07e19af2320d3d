from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import CredentialRetrievalError

from file_dataset.adapters.s3.renewing import Renewable


def credentials(token):
    return Credentials("key", "secret", token)


class Place:
    """Where credentials come from: the one that is last written there."""

    def __init__(self) -> None:
        self.token: str | None = "token-1"
        self.looked = 0
        self.now = 0.0
        self.renewable = Renewable(self.load, credentials("token-1"), clock=lambda: self.now)

    def load(self) -> Credentials | None:
        self.looked += 1
        return None if self.token is None else credentials(self.token)

    @property
    def serving(self) -> str | None:
        return self.renewable.get_frozen_credentials().token


def test_others_take_the_place_of_those_that_were_refused():
    place = Place()
    place.token = "token-2"
    assert place.renewable.renew(0)
    assert (place.serving, place.renewable.version) == ("token-2", 1)


def test_who_was_refused_with_older_ones_does_not_look_again():
    place = Place()
    place.token = "token-2"
    assert all(place.renewable.renew(0) for _ in range(10))
    assert place.looked == 1


def test_many_at_once_look_once():
    place = Place()
    place.token = "token-2"
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: place.renewable.renew(0), range(64)))
    assert place.looked == 1


@pytest.mark.parametrize("token", ["token-1", None])
def test_where_there_is_nothing_new_nobody_looks_for_a_while(token):
    place = Place()
    place.token = token
    assert not any(place.renewable.renew(0) for _ in range(10))
    assert place.looked == 1
    place.now, place.token = 4.9, "token-2"
    assert not place.renewable.renew(0)
    place.now = 5.0
    assert place.renewable.renew(0)
    assert place.serving == "token-2"


def test_what_fails_on_the_way_to_them_is_told():
    def fails():
        raise CredentialRetrievalError(provider="made up", error_msg="no")

    renewable = Renewable(fails, credentials("token-1"))
    with pytest.raises(CredentialRetrievalError):
        renewable.renew(0)


def test_all_else_is_that_of_the_credentials_of_now():
    place = Place()
    assert place.renewable.method == "explicit"
    assert copy.copy(place.renewable).token == "token-1"
