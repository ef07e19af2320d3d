"""Objects in batches for ``async for``, while the loop does other things.

python examples/load_async.py [URL]     a prefix, a directory or a glob; else some files are made
"""

import asyncio
import sys
import tempfile

import file_dataset
from file_dataset import aio


async def write_some(directory: str) -> None:
    """Make files to try it with."""
    writes = [aio.put(f"{directory}/{number:02}.bin", bytes(1000)) for number in range(20)]
    await asyncio.gather(*writes)


async def load(source: str) -> None:
    options = {"batch_size": 8, "prefetch": 32}
    async for batch in file_dataset.create_async_loader(source, options):
        print(f"{len(batch)} objects, {sum(map(len, batch))} bytes")


async def main() -> None:
    if sys.argv[1:]:
        await load(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as directory:
        await write_some(directory)
        await load(directory)


if __name__ == "__main__":
    asyncio.run(main())
