"""s5cmd, a program: timed whole, with its start and its plan."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.contenders.base import InBulk
from benchmarks.content import Family
from benchmarks.servers import Site, UnavailableError


class S5cmdByGlob(InBulk):
    name = "s5cmd, by glob"

    def __init__(self, site: Site, scratch: Path) -> None:
        super().__init__(site, scratch)
        self._program = Path(sys.executable).with_name("s5cmd")
        if not self._program.exists():
            raise UnavailableError("s5cmd is not installed")

    def download(self, family: Family) -> Path:
        directory = self.new_directory()
        self._call("cp", self._url(family.prefix) + "*", f"{directory}/")
        return directory

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        self._call("cp", f"{paths[0].parent}/", self._url(prefix))
        return [prefix + path.name for path in paths]

    def listing(self, family: Family) -> list[tuple[str, int]]:
        lines = self._call("--json", "ls", self._url(family.prefix) + "*").splitlines()
        return [self._described(json.loads(line)) for line in lines]

    def _described(self, item: dict[str, str | int]) -> tuple[str, int]:
        return str(item["key"]).removeprefix(self._url("")), int(item["size"])

    def _url(self, key: str) -> str:
        return f"s3://{self.site.bucket}/{key}"

    def _call(self, *arguments: str, text: str | None = None) -> str:
        command = [str(self._program), "--endpoint-url", self.site.endpoint, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"s5cmd: {done.stderr[:500]}")
        return done.stdout


class S5cmdByList(S5cmdByGlob):
    """Each URL is named, as in a table of files; s5cmd asks about each before it fetches it."""

    name = "s5cmd, by list"

    def download(self, family: Family) -> Path:
        directory = self.new_directory()
        self._run(
            f"cp {self._url(key)} {directory / name}"
            for key, name in zip(family.keys, family.names, strict=True)
        )
        return directory

    def upload(self, paths: Sequence[Path], prefix: str) -> list[str]:
        keys = [prefix + path.name for path in paths]
        self._run(f"cp {path} {self._url(key)}" for path, key in zip(paths, keys, strict=True))
        return keys

    def sizes(self, family: Family) -> Sequence[int]:
        lines = self._run((f"head {self._url(key)}" for key in family.keys), "--json").splitlines()
        found = dict(self._described(json.loads(line)) for line in lines)
        return [found[key] for key in family.keys]

    def _run(self, commands: Iterable[str], *options: str) -> str:
        return self._call(*options, "run", text="\n".join(commands))
