"""What the verbs give that are awaited."""

from __future__ import annotations

from typing import assert_type

from file_dataset import ObjectInfo, Options, aio


async def of_single_objects(options: Options) -> None:
    assert_type(await aio.get("s3://bucket/a.txt", options=options), bytes)
    assert_type(await aio.get_range("s3://bucket/a.txt", 0, length=4), bytes)
    assert_type(await aio.put("s3://bucket/a.txt", b"a"), None)
    assert_type(await aio.copy("s3://bucket/a.txt", "s3://bucket/b.txt"), str)
    assert_type(await aio.delete("s3://bucket/a.txt"), None)
    assert_type(await aio.exists("s3://bucket/a.txt"), bool)
    assert_type(await aio.stat("s3://bucket/a.txt"), ObjectInfo)


async def of_several() -> None:
    assert_type(await aio.get_many(["s3://bucket/a.txt"]), list[bytes])
    assert_type(await aio.list("s3://bucket/", recursive=False), list[str])
    assert_type(await aio.list_keys("s3://bucket/"), list[str])
