"""Thumbnails of a table of images, by Pillow; an image that is none costs its row.

python examples/thumbnails.py
file-dataset run examples/thumbnails.py:thumbnail photos.csv --into s3://bucket/thumbnails/

The second line takes a table with the columns ``id`` and ``photo.png``.
"""

import tempfile
from pathlib import Path

from PIL import Image

import file_dataset

SIZE = (64, 64)


def thumbnail(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    with Image.open(input_dir / "photo.png") as photo:
        photo.thumbnail(SIZE)
        photo.save(output_dir / "thumbnail.png")
    return {"thumbnail.png": output_dir / "thumbnail.png"}


def some_photos(directory: Path) -> list[dict[str, object]]:
    """Make a table of photos in one colour each, and of a text that says it is one."""
    directory.mkdir()
    for number in range(5):
        photo = Image.new("RGB", (640, 480), (50 * number, 120, 200))
        photo.save(directory / f"{number}.png")
    (directory / "5.png").write_text("not a photo")
    return [{"id": number, "photo.png": directory / f"{number}.png"} for number in range(6)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        photos = some_photos(Path(made, "photos"))
        # Pillow lets go of the interpreter while it scales, so that threads are enough.
        pipeline = file_dataset.Pipeline(thumbnail, into_path=Path(made, "small"), workers=2)
        result = pipeline.run(photos)
        for row in result.rows[:1]:
            with Image.open(row["thumbnail.png"]) as small:
                print("size", small.size)
        for failure in result.failures:
            print("failed:", failure["id"], failure["error"])
        print(f"{len(result.rows)} thumbnails")
