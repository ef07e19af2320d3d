"""Resample one DICOM slice to square pixels: a function that knows nothing but local files.

By hand, without any library around it:

    python examples/resample.py input_dir output_dir
"""

import sys
from pathlib import Path

import pydicom
import SimpleITK

SPACING = 1.0  # millimetres


def resample(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    """Make ``resampled.mha`` with pixels of 1 mm, and ``about.txt``, of ``slice.dcm``."""
    image = SimpleITK.ReadImage(str(input_dir / "slice.dcm"))
    wanted = (SPACING, SPACING, *image.GetSpacing()[2:])
    size = [
        max(1, round(count * spacing / new))
        for count, spacing, new in zip(image.GetSize(), image.GetSpacing(), wanted, strict=True)
    ]
    resampled = SimpleITK.Resample(
        image, size, SimpleITK.Transform(), SimpleITK.sitkLinear,
        image.GetOrigin(), wanted, image.GetDirection(),
    )  # fmt: skip
    SimpleITK.WriteImage(resampled, str(output_dir / "resampled.mha"), useCompression=True)

    header = pydicom.dcmread(input_dir / "slice.dcm", stop_before_pixels=True)
    about = output_dir / "about.txt"
    about.write_text(f"{header.Modality}: {image.GetSize()} pixels became {resampled.GetSize()}\n")
    return {"resampled.mha": output_dir / "resampled.mha", "about.txt": about}


if __name__ == "__main__":
    print(*resample(Path(sys.argv[1]), Path(sys.argv[2])).values(), sep="\n")
