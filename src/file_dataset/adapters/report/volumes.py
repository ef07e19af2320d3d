"""Slices of volumes, by SimpleITK, for those who have it."""

from __future__ import annotations

import math
import tempfile
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    import SimpleITK
    from numpy.typing import NDArray

_LARGEST: Final = 1 << 27  # voxels: what is compressed may become more than anybody waits for


@attrs.frozen(eq=False)
class Slice:
    """A slice as it is shown.

    Args:
        pixels: Grey or RGB, from 0 to 255, row by row.
        aspect: How wide it is for its height, by the spacing of its pixels.
    """

    pixels: NDArray[Any]
    aspect: float


def middle_slice(data: bytes, ending: str) -> Slice | None:
    """The middle slice of a volume; None if it is none, or SimpleITK is not installed.

    Args:
        data: The whole file.
        ending: Of its name, by which ITK chooses among its formats.
    """
    try:
        import SimpleITK
    except ImportError:
        return None
    warns = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    try:
        with tempfile.NamedTemporaryFile(suffix=ending) as file:
            file.write(data)
            file.flush()
            image = _read(file.name)
    # ITK's own, whatever it stumbles over; and where there is no room for the file, a page goes
    # without the picture.
    except (RuntimeError, OSError):
        return None
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(warns)
    if image is None:
        return None
    pixels = _shown(SimpleITK.GetArrayFromImage(image))
    (width, height), (wide, high) = image.GetSize(), image.GetSpacing()
    return None if pixels is None else Slice(pixels, width * wide / (height * high))


def _read(path: str) -> SimpleITK.Image | None:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(path)
    reader.ReadImageInformation()
    size = reader.GetSize()
    if math.prod(size) * reader.GetNumberOfComponents() > _LARGEST:
        return None
    reader.SetExtractIndex([0, 0, *(count // 2 for count in size[2:])])
    reader.SetExtractSize([*size[:2], *(0 for _ in size[2:])])
    image: SimpleITK.Image = reader.Execute()
    return image


def _shown(values: NDArray[Any]) -> NDArray[Any] | None:
    """Values as pixels: those of a camera as they are, others from dark to bright."""
    import numpy as np

    if values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8:
        return values
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        return None
    grey = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    # The few that are far off, as metal is in CT, would leave one grey for all others.
    low, high = np.percentile(grey, (1, 99))
    if low == high:
        low, high = grey.min(), grey.max()
    bright = ((grey - low) / ((high - low) or 1) * 255).clip(0, 255)
    shown: NDArray[np.uint8] = bright.astype(np.uint8)
    return shown
