"""``file-dataset run --allow``: which web servers a table may name."""

from __future__ import annotations

import json

import pytest
from tests.archives import tar_of
from tests.integration.web_server import web_server

from file_dataset.cli.main import main

DATA = b"data"


@pytest.fixture
def archive():
    """A web server with an archive."""
    with web_server({"s.tar": tar_of({"a": DATA})}) as server:
        yield server


def test_a_table_may_name_what_is_allowed(archive, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server = f"{archive.endpoint}/"
    (tmp_path / "t.csv").write_text(f"id,data.bin\n1,tar://a::{server}files/s.tar\n")

    def ran(*more):
        told = ["run", "t.csv", "--command", "cp {input}/data.bin {output}/o", "--outputs", "o"]
        with pytest.raises(SystemExit) as end:
            main([*told, "--into", "out", "--no-progress", "--json", *more])
        return end.value.code, capsys.readouterr()

    code, told = ran()
    assert code == 2
    assert "opted into" in told.err
    assert archive.seen() == []
    code, told = ran("--allow", server, "--failures", "failed.parquet")
    assert code != 0
    assert "not an address of the public" in json.loads(told.out)["failures"][0]["message"]
    assert archive.seen() == []
    code, told = ran("--allow-private", server)
    assert code == 0
    assert (tmp_path / "out/1/o").read_bytes() == DATA
    # A retry knows what was allowed, and may be told more.
    with pytest.raises(SystemExit) as end:
        main(["retry", "failed.parquet", "--allow-private", server, "--no-progress"])
    assert end.value.code == 0
