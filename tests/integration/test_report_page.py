"""The page about a run, as a browser shows it."""

from __future__ import annotations

import base64
import io
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pydicom.data
import pytest
import SimpleITK
from PIL import Image
from tests.integration.browsers import chromium, looking
from tests.noted import Noted

from file_dataset import MemoryStore, MissingDependencyError, Options, Pipeline, RunResult, Url
from file_dataset.adapters.report.thumbnails import thumbnail
from file_dataset.domain.objects import Span
from file_dataset.domain.requests import Read
from file_dataset.domain.rows import RowDone

ROWS, FAILED = 1000, 30
MARKUP = "<script>document.title='mine'<"
CANARY = "c4n4ry-s3cr3t"


def picture() -> bytes:
    data = io.BytesIO()
    Image.linear_gradient("L").save(data, "PNG")
    return data.getvalue()


PICTURE = picture()


def draw(inside: Path, out: Path) -> dict[str, Path]:
    number = int((inside / "scan.txt").read_text())
    if number % 100 < 2:
        raise ValueError(f"slice {number} has <img src=x onerror=alert(1)> no spacing")
    (out / "preview.png").write_bytes(PICTURE)
    return {"preview.png": out / "preview.png"}


def options_with(numbers) -> Options:
    store = MemoryStore()
    for number in numbers:
        store.write(Url.parse(f"memory://in/{number}"), str(number).encode())
    return Options(stores={"memory://": store})


@pytest.fixture(scope="module")
def result() -> RunResult:
    rows = [{"id": f"case-{n:04}", "scan.txt": f"memory://in/{n}"} for n in range(ROWS)]
    rows[1]["id"] = MARKUP
    # Ten that are not there, besides the twenty that have no spacing.
    options = options_with(n for n in range(ROWS) if n % 100 != 50)
    return Pipeline(draw, into_path="memory://out", options=options, workers=2).run(rows)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.html"
    result.report(path)
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


SCREENS = pytest.mark.parametrize(
    ("width", "is_dark"), [(1120, False), (1120, True), (390, False), (390, True)]
)


@SCREENS
def test_it_is_shown_as_it_should_be_on_every_screen(width, is_dark, browser, page):
    with looking(browser, page, width=width, is_dark=is_dark) as looked:
        shown = looked.page
        assert (looked.said, [each for each in looked.asked if "data:" not in each]) == ([], [])
        text = shown.inner_text("main")
        for told in ("970", "30 failed", "Throughput", "Slowest rows", "ValueError", "20", "10"):
            assert told in text
        assert MARKUP in "".join(shown.locator("details .id").all_text_contents())
        assert shown.title() == "draw: 970 rows, 30 failed"
        # Nothing is wider than the screen, and texts of figures are large enough to be read.
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        (place,) = {"narrow" if width < 640 else "wide"}
        sizes = shown.evaluate(
            f"[...document.querySelectorAll('.{place} svg text')]"
            ".map(each => each.getBoundingClientRect().height)"
        )
        assert len(sizes) > 20
        assert min(sizes) >= 8
        assert shown.locator("figure img").count() == 12
        assert shown.evaluate(
            "[...document.images].every(each => each.complete && each.naturalWidth > 0)"
        )
        image = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
        assert (sum(image.getpixel((2, 2))) < 150) == is_dark  # type: ignore[arg-type]
        # A figure has all the colours of its stages.
        figure = shown.locator(f".{place}:visible").nth(1)
        drawn = Image.open(io.BytesIO(figure.screenshot())).convert("RGB")
        assert len({colour for _, colour in drawn.getcolors(1 << 20) or []}) > 20


def test_it_is_small(page):
    assert page.stat().st_size < 1_000_000


def test_it_takes_less_than_a_second_of_one_core(result, page):
    def taken() -> float:
        begun = time.process_time()
        result.report(page)
        return time.process_time() - begun

    # What else the machine does makes it slower, and never faster.
    assert any(taken() < 1 for _ in range(3))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}
        self.targets: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.targets += [value or "" for name, value in attributes if name in ("src", "href")]
        assert not [name for name, _ in attributes if name.startswith("on")]


def test_what_users_wrote_is_text_and_nothing_is_fetched(page):
    tags = Tags()
    tags.feed(page.read_text())
    assert not {"script", "link", "iframe", "object"} & tags.seen.keys()
    assert tags.seen["img"] == 12
    assert all(target.startswith(("data:", "#")) for target in tags.targets)


def test_secrets_are_left_out(tmp_path):
    options = options_with([7])
    rows = [
        {"id": 1, "scan.txt": "memory://in/7"},
        {"id": 2, "scan.txt": f"memory://user:{CANARY}@in/9"},
    ]
    result = Pipeline(draw, into_path=f"memory://u:{CANARY}@out", options=options).run(rows)
    result.report(tmp_path / "run.html")
    told = (tmp_path / "run.html").read_text()
    assert "memory://" in told
    assert CANARY not in told + result._repr_html_()


@pytest.mark.parametrize("rows", [0, 1])
def test_a_run_of_which_little_is_known_has_a_page_too(rows, tmp_path):
    table = [{"id": n, "scan.txt": "memory://in/gone"} for n in range(rows)]
    result = Pipeline(draw, into_path="memory://out", options=options_with([])).run(table)
    result.report(tmp_path / "run.html")
    assert f"{rows} failed" in (tmp_path / "run.html").read_text()


def test_a_run_that_was_stopped_says_why(tmp_path):
    table = [{"id": n, "scan.txt": "memory://in/gone"} for n in range(9)]
    pipeline = Pipeline(draw, into_path="memory://out", options=options_with([]), max_failures=0)
    result = pipeline.run(table)
    result.report(tmp_path / "run.html")
    told = (tmp_path / "run.html").read_text()
    assert "1 rows failed, allowed are 0 (max_failures)" in told
    assert f"{result.stats.not_run} rows had no turn" in told
    # Which are no failures of their own.
    assert "RunStoppedError" not in told


class Elsewhere:
    """Takes rows through, and tells no more than that."""

    def run(self, rows, **_):
        return (RowDone(row, {"b.txt": Url("memory", "out", str(row.id))}) for row in rows)


def test_of_rows_that_ran_elsewhere_it_is_told_when_they_came_back(tmp_path):
    pipeline = Pipeline(draw, into_path="memory://out", options=options_with([]))
    run = pipeline.begin([{"id": 1, "scan.txt": "memory://in/1"}], engine=Elsewhere())
    run.finish()
    run.result().report(tmp_path / "run.html")
    told = (tmp_path / "run.html").read_text()
    assert "a cluster" in told
    assert "Throughput" in told
    assert "Slowest rows" not in told


def test_of_a_huge_picture_no_more_is_read_than_anybody_would_show(tmp_path):
    noted = Noted(MemoryStore())
    noted.write(Url.parse("memory://in/7"), b"7")
    options = Options(stores={"memory://": noted})
    rows = [{"id": 7, "scan.txt": "memory://in/7"}]
    result = Pipeline(draw, into_path="memory://out", options=options).run(rows)
    del noted.requests[:]
    result.report(tmp_path / "run.html")
    (read,) = noted.requests
    assert isinstance(read, Read)
    assert read.span == Span(0, 32 << 20)
    assert "data:image/webp" in (tmp_path / "run.html").read_text()


def test_a_page_that_cannot_be_made_says_what_is_missing(result, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("file_dataset.adapters.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"file-dataset\[report\]"):
        result.report(tmp_path / "run.html")
    assert not any(tmp_path.iterdir())


def test_pictures_that_cannot_be_read_are_left_out():
    assert thumbnail(b"no picture") is None
    assert thumbnail(PICTURE[:200]) is None
    huge = io.BytesIO()
    Image.new("1", (7000, 6000)).save(huge, "PNG")
    assert thumbnail(huge.getvalue()) is None
    small = thumbnail(PICTURE)
    assert small is not None
    assert small.startswith("data:image/webp;base64,")


def volume(place: Path, ending: str) -> bytes:
    """Three slices; in the middle one a bright square on a dark ground, and a spot far above it."""
    image = SimpleITK.Image(40, 20, 3, SimpleITK.sitkInt16) + 100
    image[10:30, 5:15, 1] = 900
    image[39, 19, 1] = 30_000
    image.SetSpacing((1, 4, 5))
    path = place / f"volume{ending}"
    SimpleITK.WriteImage(image, str(path), useCompression=True)
    return path.read_bytes()


def shown(url: str | None) -> Image.Image:
    assert url is not None
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("L")


@pytest.mark.parametrize("ending", [".mha", ".nii", ".nii.gz", ".nrrd"])
def test_of_a_volume_its_middle_slice_is_shown_as_wide_as_it_is(ending, tmp_path):
    picture = shown(thumbnail(volume(tmp_path, ending), ending))
    # Twice as many columns as rows, which are four times as far apart.
    assert picture.size == (80, 160)
    dark, bright = picture.getpixel((4, 4)), picture.getpixel((40, 80))
    assert isinstance(dark, int | float)
    assert isinstance(bright, int | float)
    assert dark < 20
    assert bright > 235


DICOM = Path(str(pydicom.data.get_testdata_file("CT_small.dcm", download=False))).read_bytes()


def test_a_dicom_file_is_shown():
    picture = shown(thumbnail(DICOM, ".dcm"))
    assert picture.size == (160, 160)
    assert picture.getextrema()[1] == 255


@pytest.mark.parametrize("ending", [".mha", ".nii.gz", ".dcm"])
def test_volumes_that_cannot_be_read_are_left_out(ending, tmp_path):
    whole = DICOM if ending == ".dcm" else volume(tmp_path, ending)
    assert thumbnail(whole[: len(whole) // 2], ending) is None
    assert thumbnail(b"no volume", ending) is None


def test_a_volume_that_unpacks_to_more_than_anybody_waits_for_is_left_out(tmp_path):
    head = volume(tmp_path, ".mha").replace(b"DimSize = 40 20 3", b"DimSize = 4000 4000 9")
    assert thumbnail(head, ".mha") is None


def test_a_page_shows_volumes_where_there_is_simpleitk(tmp_path, monkeypatch):
    data = volume(tmp_path, ".mha")

    def made(inside: Path, out: Path) -> dict[str, Path]:
        (out / "made.mha").write_bytes(data)
        return {"made.mha": out / "made.mha"}

    rows = [{"id": 7, "scan.txt": "memory://in/7"}]
    result = Pipeline(made, into_path="memory://out", options=options_with([7])).run(rows)
    result.report(tmp_path / "run.html")
    assert "data:image/webp" in (tmp_path / "run.html").read_text()
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    result.report(tmp_path / "run.html")
    assert "data:image/webp" not in (tmp_path / "run.html").read_text()


def test_a_volume_for_which_there_is_no_room_is_left_out(tmp_path, monkeypatch):
    data = volume(tmp_path, ".mha")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert thumbnail(data, ".mha") is None
