"""Small pictures of large ones, by Pillow."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Final

from PIL import Image

from file_dataset.adapters.report.volumes import middle_slice

_SIDE: Final = 160
_LARGEST: Final = 40_000_000  # pixels: what takes longer to read than anybody waits


def thumbnail(data: bytes, volume: str | None = None) -> str | None:
    """A picture as a ``data:`` URL of a small one; None if it is none that can be read.

    Args:
        data: The whole file.
        volume: The ending of its name, if that is one of volumes.
    """
    if volume is not None:
        return _of_volume(data, volume)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as picture:
            return _of_picture(picture)
    # Whatever a damaged picture, or one made to do damage, has a decoder stumble over.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None


def _of_picture(picture: Image.Image) -> str | None:
    if picture.width * picture.height > _LARGEST:
        return None
    # A JPEG is read smaller at once.
    picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
    picture.thumbnail((_SIDE, _SIDE))
    return _as_url(picture)


def _of_volume(data: bytes, ending: str) -> str | None:
    found = middle_slice(data, ending)
    if found is None:
        return None
    size = _SIDE * min(1, found.aspect), _SIDE / max(1, found.aspect)
    width, height = (max(1, round(side)) for side in size)
    return _as_url(Image.fromarray(found.pixels).resize((width, height)))


def _as_url(picture: Image.Image) -> str:
    is_clear = picture.mode in {"RGBA", "LA", "P"}
    small = io.BytesIO()
    picture.convert("RGBA" if is_clear else "RGB").save(small, "WEBP", quality=72)
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"
