"""A program over a table: gzip, and then the same with a shell's pipe and what it prints.

python examples/with_a_program.py
"""

import gzip
import tempfile
from pathlib import Path

import file_dataset

# What the program prints is published as a file.
PACKED = file_dataset.command("gzip --best --stdout {input}/notes.txt", stdout="notes.txt.gz")

# A pipe needs a shell, which gets the paths quoted.
COUNTED = file_dataset.command(
    "gzip --decompress --stdout {input}/notes.txt.gz | wc -l > {output}/lines.txt",
    outputs=["lines.txt"],
    shell=True,
    timeout=60,
)


def some_notes(directory: Path) -> list[dict[str, object]]:
    """Make a table of texts, and of one that is missing."""
    directory.mkdir()
    for number in range(4):
        (directory / f"{number}.txt").write_text("a line\n" * 100 * number)
    return [{"id": number, "notes.txt": directory / f"{number}.txt"} for number in range(5)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        packed = file_dataset.Pipeline(PACKED, into_path=place / "packed", workers=2)
        rows = packed(some_notes(place / "notes"))
        with gzip.open(rows[3]["notes.txt.gz"], "rt") as file:
            print("unpacked:", len(file.readlines()), "lines")
        # The table of results is the input of the next program.
        counted = file_dataset.Pipeline(COUNTED, into_path=place / "counted").run(rows)
        for row in counted.rows:
            print(row["id"], row["lines.txt"].read_text().strip())
        # What a program says on standard error is in the failure of its row.
        broken = [{"id": "broken", "notes.txt.gz": place / "notes" / "1.txt"}]
        (failure,) = (
            file_dataset.Pipeline(
                file_dataset.command("gzip --test {input}/notes.txt.gz", stderr="said.txt"),
                into_path=place / "tested",
            )
            .run(broken)
            .failures
        )
        print(
            "failed:", failure["id"], failure["error"], "not in gzip format" in failure["message"]
        )
