"""Series of DICOM slices become volumes with voxels of 1 mm, by SimpleITK.

python examples/dicom_volumes.py
file-dataset run examples/dicom_volumes.py:volume series.csv --into s3://bucket/volumes/

The second line takes a table with the columns ``id`` and one for each slice, as ``1.dcm``.
"""

import tempfile
from pathlib import Path

import SimpleITK

import file_dataset

SPACING = (1.0, 1.0, 1.0)  # millimetres


def volume(input_dir: Path, output_dir: Path) -> dict[str, Path]:
    slices = list(input_dir.glob("*.dcm"))
    reader = SimpleITK.ImageSeriesReader()
    # In the order of their positions; of several series it would be the first alone.
    names = reader.GetGDCMSeriesFileNames(str(input_dir))
    if len(names) < len(slices):
        raise ValueError(f"only {len(names)} of {len(slices)} files are slices of one series")
    reader.SetFileNames(names)
    image = reader.Execute()
    size = [
        max(1, round(count * before / after))
        for count, before, after in zip(image.GetSize(), image.GetSpacing(), SPACING, strict=True)
    ]
    resampled = SimpleITK.Resample(
        image, size, SimpleITK.Transform(), SimpleITK.sitkLinear,
        image.GetOrigin(), SPACING, image.GetDirection(),
    )  # fmt: skip
    SimpleITK.WriteImage(resampled, str(output_dir / "volume.mha"), useCompression=True)
    return {"volume.mha": output_dir / "volume.mha"}


def some_series(directory: Path) -> None:
    """Make two series of slices that are 5 mm apart, and one with a file that is no slice."""
    for number, patient in enumerate(("ann", "ben", "cal"), start=1):
        place = directory / patient
        place.mkdir(parents=True)
        for position in range(1, 5):
            image = SimpleITK.Image(32, 24, SimpleITK.sitkInt16) + 100 * position
            image.SetSpacing((2.0, 2.0))
            told = {
                "0008|0060": "CT",
                "0020|000d": f"1.2.3.{number}",
                "0020|000e": f"1.2.3.{number}.1",
                "0020|0013": str(position),
                "0020|0032": f"0\\0\\{5 * position}",
                "0020|0037": "1\\0\\0\\0\\1\\0",
            }
            for tag, value in told.items():
                image.SetMetaData(tag, value)
            writer = SimpleITK.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(place / f"{position}.dcm"))
            writer.Execute(image)
    (directory / "cal" / "2.dcm").write_text("no slice")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        some_series(Path(made, "raw"))
        table = file_dataset.frame_from_layout(f"{made}/raw/{{id}}/{{filename}}")
        result = file_dataset.Pipeline(volume, into_path=Path(made, "volumes")).run(table)
        for row_id, path in result.rows.itertuples(index=False):
            found = SimpleITK.ReadImage(str(path))
            print(row_id, found.GetSize(), found.GetSpacing())
        for failure in result.failures.to_dict("records"):
            print("failed:", failure["id"], failure["message"])
