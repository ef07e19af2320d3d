"""What type checkers know of the public API: all of it, but for what is named here."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from file_dataset import aio

PUBLIC = re.compile(r"file_dataset(?:\.(?:aio|fsspec|ray|testing|torch))?\.[A-Za-z]\w*")

# Made of the verbs of the same names, so that what they are is inferred; tests/typing says as what.
INFERRED = {f"file_dataset.aio.{verb}" for verb in {*aio.__all__, "list"}}
# Whose base classes are fsspec's, which says nothing of its types.
UNTYPED = {"file_dataset.fsspec.TarFileSystem", "file_dataset.fsspec.ZipFileSystem"}


@pytest.mark.timeout(300)
def test_the_types_of_the_public_api_are_complete():
    # It goes by the Python that it finds first.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        [
            *(sys.executable, "-m", "pyright", "--outputjson"),
            *("--verifytypes", "file_dataset", "--ignoreexternal"),
        ],
        env={**os.environ, "PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(said.stdout)["typeCompleteness"]
    # What a class has is known where the class is.
    exported = [each for each in told["symbols"] if PUBLIC.fullmatch(each["name"])]
    unknown = {
        each["name"]
        for each in exported
        if each["isTypeAmbiguous"] or not each["isTypeKnown"]
        if importlib.util.find_spec("torch") or ".torch" not in each["name"]
    }
    assert len(exported) > 110
    assert unknown - INFERRED - UNTYPED == set()
    assert told["missingFunctionDocStringCount"] == 0
