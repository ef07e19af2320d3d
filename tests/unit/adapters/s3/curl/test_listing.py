"""Pages of listings: what this library reads in them is what botocore reads in them."""

from datetime import UTC
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from botocore.handlers import decode_list_object_v2
from botocore.parsers import RestXMLParser
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from file_dataset.adapters.s3.carried import Declined
from file_dataset.adapters.s3.curl.listing import ListPage
from file_dataset.adapters.s3.curl.places import Place
from file_dataset.adapters.s3.values import info
from file_dataset.domain.url import Url

PLACE = Place("http://h/bucket/", "h", "/bucket/", None, hashes=True)
SHAPE = Session().get_service_model("s3").operation_model("ListObjectsV2").output_shape

# XML has no way to say control characters, and for them there is the encoding "url".
letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
keys = st.one_of(
    st.text(letters, min_size=1, max_size=12),
    st.sampled_from(["dir/", "a&b", "&amp;", "<x>", "a+b", "a%2Bb", "a b"]),
)
entries = st.fixed_dictionaries(
    {
        "Key": keys,
        "LastModified": st.sampled_from(["2023-01-01T00:00:00.000Z", "2026-02-28T23:59:59.123Z"]),
        "ETag": st.sampled_from(['"0123"', "&quot;0123-4&quot;", "bare"]),
        "Size": st.integers(0, 2**50).map(str),
        "StorageClass": st.just("STANDARD"),
    }
)


def page_of(entries, prefixes=(), *, quoted=False, token="", shuffle=list):
    def name(text):
        return escape(quote_plus(text, safe="/") if quoted else text)

    parts = ["<Name>bucket</Name><Prefix>ignored</Prefix>"]
    if quoted:
        parts.append("<EncodingType>url</EncodingType>")
    if token:
        parts.append(f"<NextContinuationToken>{escape(token)}</NextContinuationToken>")
    for entry in entries:
        fields = [
            f"<{field}>{name(text) if field == 'Key' else text}</{field}>"
            for field, text in entry.items()
        ]
        owner = "<Owner><DisplayName>x</DisplayName><ID>1</ID></Owner>"
        parts.append(f"<Contents>{''.join(shuffle([*fields, owner]))}</Contents>")
    parts += [
        f"<CommonPrefixes><Prefix>{name(prefix)}/</Prefix></CommonPrefixes>" for prefix in prefixes
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult '
        f'xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(parts)}</ListBucketResult>\n'
    ).encode()


def read(body, **asked):
    task = ListPage(Url("s3", "bucket", "dir"), PLACE, **{"delimiter": "", **asked})
    exchange = task.begin()
    exchange.status = 200
    exchange.said.extend([body[:100], body[100:]])
    return task.end(exchange)


def read_by_botocore(body):
    assert SHAPE is not None
    parsed = RestXMLParser().parse({"body": body, "headers": {}, "status_code": 200}, SHAPE)
    # What a client does if nobody asked it for the encoding.
    decode_list_object_v2(parsed, context={"encoding_type_auto_set": True})
    return parsed


@given(
    entries=st.lists(entries, max_size=4),
    prefixes=st.lists(keys, max_size=3),
    quoted=st.booleans(),
    token=st.sampled_from(["", "abc==", "a&b<c"]),
    shuffle=st.randoms().map(lambda random: lambda each: random.sample(each, len(each))),
)
def test_a_page_says_what_botocore_reads_in_it(entries, prefixes, quoted, token, shuffle):
    body = page_of(entries, prefixes, quoted=quoted, token=token, shuffle=shuffle)
    page, following = read(body)
    expected = read_by_botocore(body)
    assert page.objects == [
        info(Url("s3", "bucket", item["Key"]), item)
        for item in expected.get("Contents", [])
        if not item["Key"].endswith("/")
    ]
    assert page.prefixes == [each["Prefix"] for each in expected.get("CommonPrefixes", [])]
    assert following == expected.get("NextContinuationToken", "")
    assert all(each.modified.tzinfo is UTC for each in page.objects)


@pytest.mark.parametrize(
    "body", [b"", b"<html>hello</html>", page_of([])[:-5]], ids=["nothing", "html", "cut off"]
)
def test_what_is_no_page_is_one_for_boto3(body):
    with pytest.raises(Declined):
        read(body)


def test_the_request_is_quoted_sorted_and_says_only_what_is_asked():
    task = ListPage(Url("s3", "bucket", "a b"), PLACE, delimiter="/", token="x/y=", after="a&b")
    assert task.begin().query == (
        "continuation-token=x%2Fy%3D&delimiter=%2F&encoding-type=url&list-type=2"
        "&prefix=a%20b%2F&start-after=a%26b"
    )
    starting = ListPage(Url("s3", "bucket", "a"), PLACE, delimiter="", start="b c")
    assert starting.begin().query == "encoding-type=url&list-type=2&prefix=a%2Fb%20c"
    whole = ListPage(Url("s3", "bucket", ""), PLACE, delimiter="")
    assert whole.begin().query == "encoding-type=url&list-type=2"
    assert (whole.place.path, whole.key) == ("/bucket/", "")
