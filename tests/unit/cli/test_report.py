"""``file-dataset run --report``: a page, also of a run that failed."""

from __future__ import annotations

import pytest

from file_dataset.cli.main import main


@pytest.mark.parametrize("name", ["run.html", "run"])
def test_a_run_leaves_a_page(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("b\na\n")
    (tmp_path / "table.csv").write_text("id,a.txt\n1,a\n2,gone\n")
    told = ["table.csv", "--command", "sort {input}/a.txt -o {output}/b.txt", "--no-progress"]
    with pytest.raises(SystemExit) as end:
        main(["run", *told, "--outputs", "b.txt", "--into", "out", "--report", name])
    assert end.value.code == 1
    page = (tmp_path / name).read_text()
    assert "1 failed" in page
    assert "gone: not found" in page
