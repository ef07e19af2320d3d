"""The tutorial, done from its beginning to its end: what it saves, runs and shows."""

from __future__ import annotations

import doctest
import json
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/tutorial/from-files-to-a-cluster.md"
BLOCK = re.compile(
    r"(?:`([\w.]+)`:\n\n)?^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
SERVED = "127.0.0.1:9000"

# Whoever reads takes a moment to get to the next line; a script does not.
UNTIL_SERVED = "until (exec 3<>/dev/tcp/{host}/{port}) 2> /dev/null; do sleep 0.02; done\n"

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def free_address() -> str:
    """An address that nobody listens at, of a port that the system gives to nobody by itself."""
    for _ in range(100):
        with socket.socket() as tried:
            port = random.randrange(20_000, 30_000)
            if tried.connect_ex(("127.0.0.1", port)):
                return f"127.0.0.1:{port}"
    raise AssertionError("every port is taken")


def script_of(page: str, address: str) -> tuple[str, list[tuple[str, str, str]]]:
    """A script of all that is to be run; and the output, the commands and what they should say."""
    script, said, files, number = "", [], {}, 0
    for name, kind, text in BLOCK.findall(page):
        if kind == "python":
            files[name] = text
        elif kind == "sh":
            script += "".join(f"cat > {name} << 'END'\n{files[name]}END\n" for name in files)
            files = {}
            number = script.count("# step ")
            script += f"# step {number}\n{{\n{text}}} > step-{number} 2>&1\n"
            if text.rstrip().endswith("&"):
                host, port = address.split(":")
                script += UNTIL_SERVED.format(host=host, port=port)
        else:
            said.append((f"step-{number}", script.rpartition("# step ")[2], text))
    return script.replace(SERVED, address), said


@pytest.mark.timeout(300)
def test_the_tutorial_does_what_it_says(tmp_path, ray_cluster):
    script, said = script_of(PAGE.read_text(), free_address())
    assert script.count("# step ") >= 10
    assert len(said) >= 8
    settings = dict(re.findall(r"(AWS_\w+)=(\S+)", script))
    assert len(settings) == 4
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **ray_cluster.settings,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RAY_ADDRESS": ray_cluster.address,
        # A Ray that the command starts has the environment that it has; this one was there before.
        "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": {"env_vars": settings}}),
    }
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("", "")
    matches = doctest.OutputChecker().check_output
    for output, commands, wanted in said:
        got = (tmp_path / output).read_text().rstrip("\n") + "\n"
        assert matches(wanted, got, FLAGS), f"{commands}\nsaid:\n{got}"
