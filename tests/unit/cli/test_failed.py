"""Files of failures: what they take along for a retry, and what they do not."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_dataset import MemoryStore, Options, Pipeline
from file_dataset.cli import tables
from file_dataset.cli.failed import read_job, rows_to_retry, write_failures
from file_dataset.cli.jobs import Job, count_or_share, web_servers

JOB = Job(function="module:name", directory="/somewhere", into="s3://out", max_failures=0.5)
KINDS = ["parquet", "csv", "jsonl"]


def failing(directory: Path) -> dict[str, Path]:
    raise ValueError("no")


def run(frame, scheme: str = "memory"):
    options = Options(stores={f"{scheme}://": MemoryStore()})
    return Pipeline(failing, into_path="memory://out", options=options).run(frame)


@pytest.mark.parametrize("kind", KINDS)
def test_each_failed_row_comes_back_once_with_its_sources(kind, tmp_path):
    path = tmp_path / f"failures.{kind}"
    gone = ["memory://in/1", "memory://in/2"]
    frame = pd.DataFrame({"id": ["007", "x"], "a.txt": gone, "b.txt": ["memory://in/b", None]})
    result = run(frame)
    assert len(result.failures) == 3  # one of the rows has two bad files
    write_failures(result, JOB, path)
    rows = rows_to_retry(tables.read_table(path), None)
    assert rows.astype(object).where(rows.notna(), None).to_dict("records") == frame.astype(
        object
    ).where(frame.notna(), None).to_dict("records")
    assert read_job(path) == (JOB if kind == "parquet" else None)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_failed_nothing_is_run_again(kind, tmp_path):
    path = tmp_path / f"failures.{kind}"
    frame = pd.DataFrame({"id": [1], "a.txt": ["memory://in/1"]})
    write_failures(run(frame[:0]), JOB, path)
    if kind != "jsonl":  # which then has no columns either
        assert rows_to_retry(tables.read_table(path), None).empty


def test_ids_keep_their_type_in_parquet(tmp_path):
    path = tmp_path / "failures.parquet"
    write_failures(run(pd.DataFrame({"id": [7], "a.txt": ["memory://in/1"]})), JOB, path)
    assert rows_to_retry(tables.read_table(path), None)["id"].tolist() == [7]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_secret_in_a_source_is_not_in_the_file_and_a_retry_asks_for_it(kind, tmp_path):
    path = tmp_path / f"failures.{kind}"
    frame = pd.DataFrame({"id": ["1"], "a.txt": ["attic://me:canary@host/key"]})
    write_failures(run(frame, "attic"), JOB, path)
    assert b"canary" not in path.read_bytes()
    failures = tables.read_table(path)
    with pytest.raises(click.UsageError, match="give --table"):
        rows_to_retry(failures, None)
    assert rows_to_retry(failures, frame)["a.txt"].tolist() == frame["a.txt"].tolist()


def test_rows_come_from_a_table_whatever_its_ids_are_written_as():
    table = pd.DataFrame({"id": ["1", "2", "3"], "a.txt": ["a", "b", "c"]})
    failures = pd.DataFrame({"id": [3, 1, 3], "message": "no"})
    assert rows_to_retry(failures, table)["a.txt"].tolist() == ["a", "c"]
    with pytest.raises(click.UsageError, match=r"\['4'\]"):
        rows_to_retry(pd.DataFrame({"id": [1, 4]}), table)


@pytest.mark.parametrize(
    ("failures", "table", "said"),
    [
        (pd.DataFrame({"a": [1]}), None, "column 'id'"),
        (pd.DataFrame({"id": [1]}), pd.DataFrame({"a": [1]}), "no column 'id'"),
        (pd.DataFrame({"id": [1], "message": ["no"]}), None, "--table"),
    ],
)
def test_tables_that_do_not_tell_what_to_run_are_refused(failures, table, said):
    with pytest.raises(click.UsageError, match=said):
        rows_to_retry(failures, table)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "7", "null", "{", "{}"),
        '{"function": 7, "directory": "", "into": ""}',
        '{"function": "a:b", "directory": "", "into": "", "more": 1}',
        '{"function": "a:b", "directory": "", "into": "", "workers": "2"}',
        '{"function": "a:b", "directory": "", "into": "", "isolation": "container"}',
        '{"function": "a:b", "directory": "", "into": "", "timeout": {}}',
        '{"function": "a:b", "directory": "", "into": "", "max_failures": [1]}',
        '{"function": "a:b", "directory": "", "into": "", "keep_failed": 1}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_file_with_a_damaged_description_is_refused(text, tmp_path):
    path = tmp_path / "failures.parquet"
    tables.write_table(pd.DataFrame({"id": [1]}), path, {b"file_dataset.run": text.encode()})
    with pytest.raises(click.UsageError, match="no description of a run"):
        read_job(path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "failures.parquet").write_text("no")
    with pytest.raises(click.UsageError, match=r"cannot be read as \.parquet"):
        read_job(tmp_path / "failures.parquet")


texts = st.text(max_size=10)


@given(
    st.builds(
        Job,
        function=texts,
        directory=texts,
        into=texts,
        workers=st.integers(),
        isolation=st.sampled_from(["thread", "process"]),
        timeout=st.none() | st.floats(allow_nan=False),
        max_failures=st.none() | st.integers() | st.floats(0, 1),
        keep_failed=st.none() | texts,
    )
)
def test_a_job_is_what_was_written(job):
    read = Job.from_json(job.to_json())
    assert read == job
    # A number of rows and a share of them are equal to Python at 1.
    assert type(read.max_failures) is type(job.max_failures)


def test_a_job_is_told_in_a_directory_and_holds_in_every_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = {"function": "sub/file.py:name", "into": "out", "keep_failed": "kept", "workers": 2}
    job = Job.here(told)
    assert job == Job(
        function=f"{tmp_path}/sub/file.py:name",
        directory=str(tmp_path),
        into=f"{tmp_path}/out",
        workers=2,
        keep_failed=f"{tmp_path}/kept",
    )
    monkeypatch.chdir("/")
    assert job.but({}) == job
    assert job.but({"workers": 3}).directory == str(tmp_path)
    assert (job.but({"function": "m:f"}).function, job.but({"function": "m:f"}).directory) == (
        "m:f",
        "/",
    )


def test_what_is_secret_in_a_destination_is_not_kept_and_a_retry_asks_for_it(tmp_path):
    job = Job.here({"function": "m:f", "into": "https://user:c4n4ry@host/out?token=c4n4ry"})
    pipeline = Pipeline(lambda d: {}, into_path="memory://out")
    path = tmp_path / "failures.parquet"
    write_failures(pipeline.run(pd.DataFrame({"id": [1], "a.txt": ["/none"]})), job, path)
    assert b"c4n4ry" not in path.read_bytes()
    read = read_job(path)
    assert read is not None
    assert read.into == "https://***@host/out?***"
    with pytest.raises(click.UsageError, match="give --into"):
        read.but({})
    assert read.but({"into": "/out"}).into == "/out"


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("0", 0), ("5%", 0.05), ("0.5%", 0.005), ("100%", 1.0)]
)
def test_a_limit_is_a_number_or_a_share(text, value):
    context = click.Context(click.Command("run"))
    found = count_or_share(context, click.Option(["--max-failures"]), text)
    assert found == pytest.approx(value)
    assert type(found) is type(value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_written_whole_or_not_at_all(kind, tmp_path):
    path = tmp_path / f"table.{kind}"
    tables.write_table(pd.DataFrame({"id": ["old"]}), path)
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        tables.write_table(pd.DataFrame({"id": ["new", "\ud800"]}), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("given", ["https://data.example/", "http://", "https://h:8443/a/b"])
def test_a_web_server_is_allowed_by_its_beginning(given):
    context, parameter = click.Context(click.Command("x")), click.Option(["--allow"])
    assert web_servers(context, parameter, (given,)) == (given,)


@pytest.mark.parametrize(
    "given", ["https", "data.example", "s3://b/", "ftp://h/", "https:/h/", "https://me:pw@h/"]
)
def test_what_is_no_web_server_is_not_allowed(given):
    context, parameter = click.Context(click.Command("x")), click.Option(["--allow"])
    with pytest.raises(click.BadParameter, match="no web server"):
        web_servers(context, parameter, (given,))


def test_a_retry_knows_what_was_allowed():
    told: dict = {"allow": ["https://a/"], "allow_private": ["http://b/"]}
    job = Job(function="m:f", directory="/d", into="o", **told)
    assert Job.from_json(job.to_json()) == job
    assert job.but({"workers": 2}).allow == ("https://a/",)
    assert job.but({"allow": ("https://c/",)}).allow == ("https://c/",)
