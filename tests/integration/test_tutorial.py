"""The tutorial and the README, done from beginning to end: what they save, run and show."""

from __future__ import annotations

import doctest
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?:`([\w.]+)`:\n\n)?^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
SERVED = "127.0.0.1:9000"

# Whoever reads takes a moment to get to the next line; a script does not.
UNTIL_SERVED = "until (exec 3<>/dev/tcp/{}/{}) 2> /dev/null; do sleep 0.02; done\n"

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def free_address() -> str:
    """An address that nobody listens at, of a port that the system gives to nobody by itself."""
    for _ in range(100):
        with socket.socket() as tried:
            port = random.randrange(20_000, 30_000)
            if tried.connect_ex(("127.0.0.1", port)):
                return f"127.0.0.1:{port}"
    raise AssertionError("every port is taken")


def script_of(page: str) -> tuple[str, list[tuple[str, str, str]]]:
    """A script of all that is to be run; and the output, the commands and what they should say."""
    script, said, files, number = "", [], {}, 0
    for name, kind, text in BLOCK.findall(page):
        if kind == "python" and name:
            files[name] = text
        elif kind == "sh":
            script += "".join(f"cat > {each} << 'END'\n{files[each]}END\n" for each in files)
            files = {}
            number = script.count("# step ")
            script += f"# step {number}\n{{\n{text}}} > step-{number} 2>&1\n"
            if served := re.search(r"--addr (.+):(\d+) .* &\n$", text):
                script += UNTIL_SERVED.format(*served.groups())
        elif kind == "text":
            said.append((f"step-{number}", script.rpartition("# step ")[2], text))
    return script, said


def does_what_it_says(page: str, place: Path, *, steps: int, more: dict[str, str]) -> None:
    script, said = script_of(page)
    assert script.count("# step ") == steps
    assert said
    environment = {name: each for name, each in os.environ.items() if not name.startswith("AWS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=place,
        env={**environment, **more, "PATH": path},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("", "")
    matches = doctest.OutputChecker().check_output
    for output, commands, wanted in said:
        got = (place / output).read_text().rstrip("\n") + "\n"
        assert matches(wanted, got, FLAGS), f"{commands}\nsaid:\n{got}"


@pytest.mark.timeout(300)
def test_the_readme_does_what_it_says(tmp_path):
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    page = (ROOT / "README.md").read_text().replace(SERVED, free_address())
    does_what_it_says(page, tmp_path, steps=3, more={})


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("ray")
def test_the_tutorial_does_what_it_says(tmp_path, ray_cluster):
    page = (ROOT / "docs/tutorial/from-files-to-a-cluster.md").read_text()
    page = page.replace(SERVED, free_address())
    settings = dict(re.findall(r"(AWS_\w+)=(\S+)", page))
    # A Ray that the command starts has the environment that it has; this one was there before.
    job = json.dumps({"runtime_env": {"env_vars": settings}})
    of_ray = {"RAY_ADDRESS": ray_cluster.address, "RAY_JOB_CONFIG_JSON_ENV_VAR": job}
    does_what_it_says(page, tmp_path, steps=10, more={**ray_cluster.settings, **of_ray})
