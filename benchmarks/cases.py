"""What is measured: which work, on which server, by whom, and the bar that is set for us."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from benchmarks.content import Family
from benchmarks.workloads import (
    Blobs,
    Commit,
    Download,
    Listing,
    Loader,
    PackedAndBack,
    Rows,
    Sizes,
    Upload,
    Workload,
)

OURS = "file_dataset"
PACKED = "file_dataset-packed"
UNIT = "obstore"
# Not for use, since it signs nothing and minds no error: what is left of us is what they cost.
FLOOR = "libcurl"

ALL = (
    OURS,
    "file_dataset-boto3",
    UNIT,
    FLOOR,
    "s3torchconnector",
    "s5cmd-glob",
    "s5cmd-list",
    "boto3",
    "s3fs",
    "metaflow",
    "ray",
)
_SOME = (OURS, UNIT, FLOOR, "s5cmd-glob", "s5cmd-list", "boto3")
_ONE, _TWO = (OURS,), (OURS, UNIT, FLOOR)
_LATE = (OURS, UNIT, "obstore-128", "libcurl-256", "s5cmd-list", "boto3")
_LOADERS = ("file_dataset-torch", "s3torchconnector-torch", "s3dlio-torch")
_WHERE = {
    "plain": "",
    "tls": ", over TLS",
    "20ms": ", 20 ms before each answer",
    "rclone": ", on rclone's server",
}


@attrs.frozen
class Case:
    """A table of the results.

    Args:
        work: What is done, in words.
        workload: The same, to be carried out.
        server: The kind of server, as servers.serving() knows it.
        contenders: Who takes part.
        unit: The contender whose time is 1; None is the fastest of all but us.
        bar: What our time may be, in units.
        judged: Whose time that is.
        pinned: Whether the client has one core, and the server the other.
        rounds: How often everyone is measured who is not far behind.
    """

    work: str
    workload: Workload
    server: str = "plain"
    contenders: tuple[str, ...] = ALL
    unit: str | None = UNIT
    bar: float | None = None
    judged: str = OURS
    pinned: bool = True
    rounds: int = 5

    @property
    def title(self) -> str:
        return self.work + _WHERE[self.server] + ("" if self.pinned else ", unpinned")

    def sized(self, *, quick: bool) -> Workload:
        """The work, or about a tenth of it."""
        family = self.workload.family
        if not quick:
            return self.workload
        if family.is_large:
            return attrs.evolve(self.workload, family=attrs.evolve(family, size=family.size // 8))
        fewer = attrs.evolve(family, count=family.count // 10)
        return attrs.evolve(self.workload, family=fewer)


_SMALL, _MIDDLE, _LARGE = Family(5000, 2**12), Family(1000, 2**18), Family(4, 2**28)
_SCATTERED, _FEW = Family(5000, 2**12, step=10), Family(1000, 2**12)
_MANY = Family(10_000, 2**12)

_PLAIN = {
    "download-small": Case("Download 5,000 x 4 KiB", Download(_SMALL), bar=0.5),
    "upload-small": Case("Upload 5,000 x 4 KiB", Upload(_SMALL), bar=0.55),
    "sizes": Case("Sizes of 5,000 URLs", Sizes(_SMALL), bar=0.45),
    "blobs": Case("Blob table of 5,000 x 4 KiB", Blobs(_SMALL), bar=0.45),
    "download-middle": Case("Download 1,000 x 256 KiB", Download(_MIDDLE), bar=0.85),
    "upload-middle": Case("Upload 1,000 x 256 KiB", Upload(_MIDDLE), bar=0.85),
    "rows": Case("1,000 rows x 2 x 64 KiB → fn → 64 KiB", Rows(Family(2000, 2**16)), bar=0.85),
    "commit": Case(
        "1,000 rows x 2 x 4 KiB → fn → 2 x 4 KiB, each row at once",
        Commit(Family(2000, 2**12)),
        contenders=(OURS, "file_dataset-boto3", UNIT, "boto3"),
    ),
    "download-large": Case("Download 4 x 256 MiB", Download(_LARGE), unit=None, bar=1.1, rounds=3),
    "upload-large": Case("Upload 4 x 256 MiB", Upload(_LARGE), unit=None, rounds=3),
    "listing": Case("List 50,000 keys", Listing(Family(50_000, 2**12))),
}


def _elsewhere() -> Iterator[tuple[str, Case]]:
    """The same over TLS, unpinned, with latency, and on a server of another kind."""
    for name, case in _PLAIN.items():
        is_large = case.workload.family.is_large
        few = _SOME if name == "download-small" or is_large else _TWO
        again = attrs.evolve(case, contenders=few, rounds=3)
        if name not in ("listing", "upload-large"):
            yield f"{name}-tls", attrs.evolve(again, server="tls")
            if not is_large:
                yield f"{name}-unpinned", attrs.evolve(again, pinned=False)
    for name, bar in (("download-small", 0.6), ("upload-small", None), ("rows", None)):
        late = attrs.evolve(_PLAIN[name], contenders=_LATE, unit="obstore-128", bar=bar, rounds=3)
        yield f"{name}-20ms", attrs.evolve(late, server="20ms")
    yield from _packed()
    yield from _round_trip()
    yield from _loaders()
    # Where a listing is no short cut.
    yield (
        "sizes-scattered",
        Case("Sizes of 5,000 URLs among 50,000", Sizes(_SCATTERED), contenders=_TWO, bar=0.45),
    )
    yield (
        "blobs-ray",
        Case(
            "Ray dataset of the contents of 20,000 x 4 KiB",
            Blobs(Family(20_000, 2**12)),
            contenders=("file_dataset-ray", "ray", "ray-boto3"),
            unit=None,
            bar=0.2,
            judged="file_dataset-ray",
            pinned=False,
            rounds=3,
        ),
    )
    for name, work in (("download", Download(_FEW)), ("upload", Upload(_FEW))):
        title = f"{name.capitalize()} 1,000 x 4 KiB"
        case = Case(title, work, contenders=(OURS, UNIT, "boto3"), rounds=3)
        yield f"{name}-rclone", attrs.evolve(case, server="rclone")


def _packed() -> Iterator[tuple[str, Case]]:
    """Members of archives beside the same files as single objects."""
    for name, work in (("blobs", Blobs(_MANY)), ("download", Download(_MANY))):
        title = "Blob table of" if name == "blobs" else "Download"
        case = Case(
            f"{title} 10,000 x 4 KiB, packed beside single objects",
            work,
            contenders=(PACKED, OURS, UNIT),
            unit=OURS,
            judged=PACKED,
            rounds=3,
        )
        yield f"{name}-packed", case
        late = attrs.evolve(case, contenders=(PACKED, OURS, "obstore-128"), server="20ms")
        yield f"{name}-packed-20ms", attrs.evolve(late, bar=0.2)


def _round_trip() -> Iterator[tuple[str, Case]]:
    case = Case(
        "100,000 x 4 KiB packed, and unpacked again",
        PackedAndBack(Family(100_000, 2**12)),
        contenders=_ONE,
        unit=OURS,
        pinned=False,
        rounds=2,
    )
    yield "packed-and-back", case


def _loaders() -> Iterator[tuple[str, Case]]:
    """Through PyTorch's DataLoader; the unit is who is the fastest besides us."""
    for workers in (0, 2):
        beside = f"{workers} workers" if workers else "no workers"
        case = Case(
            f"2,000 x 64 KiB through a DataLoader with {beside}",
            Loader(Family(2000, 2**16), workers),
            # s3dlio is to be used without workers, and hangs in those that are forked.
            contenders=_LOADERS[:2] if workers else _LOADERS,
            unit=None,
            bar=1.0,
            judged="file_dataset-torch",
            pinned=not workers,
            rounds=3,
        )
        name = "loader-workers" if workers else "loader"
        yield name, case
        by_hand = attrs.evolve(
            case,
            work=f"{case.work}, beside boto3",
            contenders=("file_dataset-torch", "boto3-torch", "torch-alone"),
            unit="boto3-torch",
            bar=0.25,
        )
        yield f"{name}-boto3", by_hand


CASES = _PLAIN | dict(_elsewhere())
