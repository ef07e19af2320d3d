"""Sizes from listings: right whatever else is in the bucket, and never many pages for nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3 import listed as module
from file_dataset.adapters.s3.listed import listed
from file_dataset.adapters.s3.values import Page
from file_dataset.domain.errors import PermissionDeniedError
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.requests import Read, Stat
from file_dataset.domain.url import Url

PAGE = 10


class Bucket:
    """Keys by bucket, listed a page at a time as S3 does."""

    def __init__(self, keys):
        self.keys = sorted(keys)
        self.asked = []

    def pages(self, prefix, delimiter, *, after=""):
        assert delimiter == ""
        found = [key for key in self.keys if key.startswith(prefix.stem) and key > after]
        for start in range(0, max(1, len(found)), PAGE):
            page = found[start : start + PAGE]
            self.asked.append(page)
            yield Page([ObjectInfo(Url("s3", "bucket", key), len(key)) for key in page], [])


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(module, "MANY", 5)


def stats(keys, bucket="bucket"):
    return [Stat(Url("s3", bucket, key)) for key in keys]


def told_of(requests, pages):
    return [(each.index, each.value) for each in listed(requests, pages)]


names = st.text("ab/", min_size=1, max_size=5).filter(lambda key: not key.endswith("/"))


@given(wanted=st.lists(names, max_size=40), others=st.sets(names), missing=st.sets(names))
def test_what_is_told_is_right_and_told_to_everyone_who_asked(wanted, others, missing):
    there = (set(wanted) | others) - missing
    told = told_of(stats(wanted), Bucket(there).pages)
    assert len({index for index, _ in told}) == len(told)
    for index, info in told:
        assert info == ObjectInfo(Url("s3", "bucket", wanted[index]), len(wanted[index]))
        assert wanted[index] in there


@given(st.sets(names, min_size=5))
def test_a_bucket_of_which_all_is_wanted_is_told_by_as_many_pages_as_it_has(keys):
    bucket = Bucket(keys)
    told = {index for index, _ in told_of(stats(keys), bucket.pages)}
    assert told == set(range(len(keys)))
    assert len(bucket.asked) <= len(keys) // PAGE + 1


def test_few_are_not_listed():
    bucket = Bucket("abcd")
    assert not list(listed(stats("abcd"), bucket.pages))
    assert bucket.asked == []


def test_other_requests_are_none_of_its_business():
    bucket = Bucket("abcdefgh")
    reads = [Read(Url("s3", "bucket", key)) for key in "abcdefgh"]
    assert not list(listed(reads, bucket.pages))


def test_a_few_among_many_cost_one_page():
    wanted = [f"dir/{number:04}" for number in range(0, 1000, 100)]
    bucket = Bucket([f"dir/{number:04}" for number in range(1000)])
    told = [index for index, _ in told_of(stats(wanted), bucket.pages)]
    assert told == [0]
    assert len(bucket.asked) == 1


def test_what_comes_after_the_last_is_not_asked_for():
    wanted = [f"dir/{number:04}" for number in range(20)]
    bucket = Bucket([f"dir/{number:04}" for number in range(1000)])
    assert len(list(listed(stats(wanted), bucket.pages))) == 20
    assert len(bucket.asked) == 2


def test_what_comes_before_the_first_is_not_asked_for():
    wanted = [f"dir/{number:04}" for number in range(980, 1000)]
    bucket = Bucket([f"dir/{number:04}" for number in range(1000)])
    assert len(list(listed(stats(wanted), bucket.pages))) == 20
    assert bucket.asked[0][0] >= "dir/0979"


def test_where_listing_is_forbidden_nothing_is_told():
    def pages(prefix, delimiter, *, after):
        yield from ()
        raise PermissionDeniedError("no", url=prefix)

    assert not list(listed(stats("abcdefgh"), pages))


def test_each_bucket_is_counted_for_itself():
    requests = [*stats("abcd", "one"), *stats("abcd", "two")]
    bucket = Bucket("abcd")
    assert not list(listed(requests, bucket.pages))
    assert bucket.asked == []
