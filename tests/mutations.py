"""Guards that are taken out one by one, each to see a test fail: ``python -m tests.mutations``.

It works on a copy of the sources. Words behind the command choose guards that have them in their
names.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
_FAILED = 1  # as pytest says it; 2 and more are no verdict


@attrs.frozen
class Guard:
    """Something that keeps a promise.

    Args:
        name: What it keeps from happening.
        file: Where it is, below ``src/file_dataset``.
        text: What it is, which is in the file once.
        instead: What is there without it.
        tests: What notices that, as arguments of pytest below ``tests``.
    """

    name: str
    file: str
    text: str
    instead: str
    tests: str


_TABLE = "integration/test_s3_fault_table.py -k "
_COMMIT = "unit/domain/test_commit.py"
_DRAFTS = "unit/adapters/test_local_drafts.py -k "
_CALLER = "unit/adapters/processes/test_caller.py"
_SCRATCH = "unit/adapters/test_scratch.py"

GUARDS = [
    # Bytes.
    Guard(
        "bytes of another checksum are taken",
        "adapters/s3/checksums.py",
        "if digest != self.digest:",
        "if False:",
        _TABLE + "'FlippedBytes and small'",
    ),
    Guard(
        "a head that is cut off is an empty object",
        "adapters/s3/curl/drive.py",
        "if exchange.fault or not is_ended(exchange.head):",
        "if exchange.fault:",
        "integration/test_s3_faults.py -k head_that_is_cut_off",
    ),
    Guard(
        "parts of two versions make one file",
        "adapters/s3/curl/parts.py",
        'begins != part.offset or said.get("etag", self._etag) != self._etag',
        "begins != part.offset",
        "unit/adapters/s3/curl/test_fetch.py",
    ),
    Guard(
        "a file that changes is uploaded",
        "domain/files.py",
        "if (before.st_size, before.st_mtime_ns, before.st_ino) != (",
        "if False and (before.st_size, before.st_mtime_ns, before.st_ino) != (",
        _TABLE + "FilesThatChange",
    ),
    Guard(
        "a file shorter than its store said it is",
        "domain/sizes.py",
        "or before.size == now.size or",
        "or True or",
        _TABLE + "whole_in_themselves",
    ),
    Guard(
        "a file that changes is copied",
        "adapters/local/regular.py",
        "    refuse_changed(source.path, before, os.fstat(read))\n",
        "",
        "unit/adapters/test_local.py -k writes_to",
    ),
    Guard(
        "less comes by way of fsspec than there is",
        "adapters/fsspec/store.py",
        "if size != found.size:",
        "if False:",
        "unit/adapters/test_fsspec.py -k ends_early",
    ),
    Guard(
        "a store keeps another size than it was sent",
        "adapters/layers/verifying.py",
        "elif outcome.value.size not in wanted[url]:",
        "elif False:",
        _TABLE + "size_that_is_another",
    ),
    Guard(
        "what is wrong in the store is asked for again and again",
        "adapters/layers/retrying.py",
        "error.transient = error.transient and number not in damaged",
        "pass",
        "unit/adapters/layers/test_retrying.py -k Damage",
    ),
    Guard(
        "an entry of the cache that rotted is given",
        "adapters/layers/_sealed.py",
        "if check != self._checks[number]:",
        "if False:",
        "unit/adapters/layers/test_cached.py -k 'sealed or rot'",
    ),
    Guard(
        "what may have worked is done twice",
        "adapters/layers/retrying.py",
        "if requests[number].idempotent and self._is_retried(error, attempt):",
        "if self._is_retried(error, attempt):",
        "unit/adapters/layers/test_retrying.py",
    ),
    # The commit.
    Guard(
        "an attempt loses to its own record, whose answer was lost",
        "domain/commit.py",
        "if mine.attempt in (theirs.attempt, *theirs.past):",
        "if False:",
        _COMMIT,
    ),
    Guard(
        "what was swept is committed",
        "domain/commit.py",
        "if mine.tokens & theirs.swept:",
        "if False:",
        _COMMIT,
    ),
    Guard(
        "an attempt takes back what may be committed",
        "domain/commit.py",
        "if verdict.holder is not mine and not verdict.is_open:",
        "if verdict.holder is not mine:",
        _COMMIT,
    ),
    Guard(
        "a recovery takes back what is committed meanwhile",
        "domain/recovery.py",
        "swept = [each for each in dead if each.token in record.swept]",
        "swept = dead",
        _COMMIT,
    ),
    Guard(
        "a row of other inputs is taken for done",
        "domain/resuming.py",
        "not inputs[name].is_still(Input.of(url, info.value))",
        "False",
        "unit/api/test_commit_modes.py -k 'input'",
    ),
    Guard(
        "an input is taken for the same by its size",
        "domain/records.py",
        "return self == now and (self.etag, self.modified) != (None, None)",
        "return self == now",
        "unit/api/test_commit_modes.py -k only_the_size",
    ),
    Guard(
        "attempts of one run replace each other",
        "domain/commit.py",
        "if theirs.run == self.run:",
        "if False:",
        _COMMIT,
    ),
    Guard(
        "a record is written over that nobody has seen",
        "domain/ledger.py",
        "mode = IfMatch(over.etag)",
        "mode = OVERWRITE",
        _COMMIT,
    ),
    Guard(
        "a row is taken back whose record had wrong bytes on the way",
        "domain/commit.py",
        "is_open=not isinstance(held, OtherRowError)",
        "is_open=False",
        _COMMIT + " -k wrong_bytes",
    ),
    Guard(
        "another row's record is taken for this one's",
        "domain/ledger.py",
        "if str(record.row_id) != str(row_id):",
        "if False:",
        _COMMIT + " -k another_rows",
    ),
    Guard(
        "a recovery takes the young for dead",
        "domain/recovery.py",
        "if self.is_dead(each.begun)]",
        "]",
        _COMMIT + " unit/api/test_recovery.py",
    ),
    Guard(
        "what a dead attempt left is seen with the row",
        "adapters/local/drafts.py",
        "            keep_only(staged, receipts.keys())\n",
        "",
        _DRAFTS + "killed_left",
    ),
    Guard(
        "files of others are taken for the draft's",
        "adapters/local/drafts.py",
        "stat.S_ISREG(found.st_mode) and receipt(found) == wanted",
        "stat.S_ISREG(found.st_mode)",
        _DRAFTS + "killed_while_it_was_completed",
    ),
    # Names and places.
    Guard(
        "a name leads elsewhere",
        "domain/names.py",
        'if segment in {".", ".."}:',
        "if False:",
        "unit/api/test_fuzzed_names.py unit/domain/test_names.py",
    ),
    Guard(
        "a link leads out of the destination",
        "adapters/local/directories.py",
        "_DIRECTORY | os.O_NOFOLLOW, dir_fd=at",
        "_DIRECTORY, dir_fd=at",
        _DRAFTS + "link",
    ),
    Guard(
        "a link leads plain rows out of the destination",
        "domain/publishing.py",
        "check_no_links(target, self.into)",
        "pass",
        "unit/api/test_containment.py",
    ),
    Guard(
        "a link in the place of a temporary directory leads to what is removed",
        "adapters/scratch.py",
        "os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW",
        "os.O_RDONLY | os.O_DIRECTORY",
        _SCRATCH + " -k leads_to",
    ),
    Guard(
        "modes are changed where a link leads",
        "adapters/scratch.py",
        "if directory.is_symlink() or not directory.is_dir():",
        "if False:",
        _SCRATCH + " -k leads_to",
    ),
    Guard(
        "the temporary directories of the living are swept",
        "adapters/scratch.py",
        "        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n        yield lock\n",
        "        yield lock\n",
        _SCRATCH + " -k 'swept or keeps'",
    ),
    Guard(
        "an output leads out of the row's directory",
        "domain/calling.py",
        "if _leads_outward(Path(url.path), directories):",
        "if False:",
        "unit/domain/test_calling_outputs.py",
    ),
    Guard(
        "a committed file is one that nobody sees",
        "adapters/local/store.py",
        "        refuse_temporary(url)\n",
        "",
        _DRAFTS + "nobody_would_see",
    ),
    Guard(
        "names have control characters",
        "domain/names.py",
        'in {"Cc", "Cs"}',
        'in {"Cs"}',
        "unit/domain/test_names.py",
    ),
    Guard(
        "a record keeps a secret",
        "domain/records.py",
        "return cls(source.redacted, info.size, info.etag, written)",
        "return cls(str(source), info.size, info.etag, written)",
        "unit/domain/test_records.py -k secrets",
    ),
    Guard(
        "a table names any web server",
        "api/_wiring/stores.py",
        "return store_for(options, width=width, trusts=False)",
        "return store_for(options, width=width, trusts=True)",
        "integration/test_http.py -k opted_into",
    ),
    Guard(
        "a redirect leads into the house",
        "adapters/http/exchange.py",
        "if not self._is_open and not is_public(str(place[0])):",
        "if False:",
        "integration/test_http.py -k not_public",
    ),
    Guard(
        "what a link leads to is kept of a failed row",
        "domain/pipeline.py",
        "if not directory.is_symlink():",
        "if True:",
        "unit/api/test_pipeline_directories.py -k leads_to",
    ),
    Guard(
        "everybody may look into temporary directories",
        "adapters/scratch.py",
        "_PRIVATE = 0o700",
        "_PRIVATE = 0o755",
        _SCRATCH,
    ),
    Guard(
        "a forked child removes what its parent works with",
        "adapters/scratch.py",
        "if os.getpid() != process or _is_removed(directory):",
        "if _is_removed(directory):",
        _SCRATCH,
    ),
    Guard(
        "a password is shown",
        "domain/url.py",
        'authority = f"***@{host}" if at and userinfo else self.authority',
        "authority = self.authority",
        "unit/domain/test_url.py",
    ),
    Guard(
        "a web address leads into the house",
        "adapters/http/addresses.py",
        "return found.is_global and not found.is_multicast",
        "return True",
        "unit/adapters/test_http_addresses.py",
    ),
    Guard(
        "a member unpacks to more than there is room for",
        "domain/archives.py",
        "if size > FREE and size > RATIO * packed:",
        "if False:",
        "unit/domain/test_zip_archives.py integration/test_crafted_archives.py",
    ),
    # Runs.
    Guard(
        "a row is fetched that is larger than it may be",
        "domain/sizes.py",
        "or budget.allows(needed := bytes_of(asked)):",
        "or True:",
        "unit/domain/test_staging_budget.py",
    ),
    Guard(
        "a run goes on that no row can come through",
        "domain/stopping.py",
        "return self._systemic(result) or self._same_for_all(result) or self._too_many(result)",
        "return self._too_many(result)",
        "unit/api/test_accounting.py -k 'nobody_accepts or fail_alike'",
    ),
    Guard(
        "credentials that expire end the job",
        "adapters/s3/renewing.py",
        "return 0.0 if self._credentials.renew(version) else None",
        "return None",
        _TABLE + "ExpiredCredentials",
    ),
    Guard(
        "a forked child removes its parent's half-written file",
        "domain/half_written.py",
        "        if os.getpid() == process:\n",
        "        if True:\n",
        "unit/domain/test_half_written.py -k ends_the_context",
    ),
    Guard(
        "a function leaves its directory and settings to the next row",
        "adapters/processes/inside.py",
        "            self._restore()\n",
        "            pass\n",
        _CALLER,
    ),
    Guard(
        "a function leaves processes behind",
        "adapters/processes/inside.py",
        "            end_children()\n",
        "            pass\n",
        _CALLER,
    ),
    Guard(
        "a forked child shares its parent's client",
        "adapters/s3/options.py",
        "        if made is None or made[0] != os.getpid():\n            with",
        "        if made is None:\n            with",
        "unit/adapters/s3/test_options.py",
    ),
    Guard(
        "refusals at any rate are taken for a limit",
        "adapters/s3/curl/rate.py",
        "return is_less and seen.served > 0",
        "return False",
        "unit/adapters/s3/curl/test_pace.py",
    ),
]


def is_noticed(guard: Guard, sources: Path) -> bool:
    """Whether a test fails once a guard is gone from a copy of the sources."""
    path = sources / "file_dataset" / guard.file
    whole = path.read_text()
    path.write_text(without(guard, whole))
    tests = shlex.split(guard.tests)
    paths = [f"tests/{each}" if each.endswith(".py") else each for each in tests]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *paths],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
    finally:
        path.write_text(whole)
    if done.returncode not in (0, _FAILED):
        raise RuntimeError(f"{guard.name}: pytest gave no verdict:\n{done.stdout[-2000:]}")
    return done.returncode == _FAILED


def without(guard: Guard, whole: str) -> str:
    """A source without a guard. Raises ValueError unless it is there, and once."""
    if whole.count(guard.text) != 1:
        raise ValueError(
            f"{guard.name}: {guard.file} has its guard {whole.count(guard.text)} times"
        )
    return whole.replace(guard.text, guard.instead)


def main(words: list[str]) -> int:
    """Take out each guard; the exit code tells whether a test noticed each."""
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        sources = Path(directory, "src")
        shutil.copytree(ROOT / "src", sources, ignore=shutil.ignore_patterns("__pycache__"))
        for guard in GUARDS:
            if all(word in guard.name for word in words):
                noticed = is_noticed(guard, sources)
                missed += not noticed
                print("noticed" if noticed else "MISSED ", "if", guard.name, flush=True)  # noqa: T201
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
