"""Files in memory that count what they are asked, and the way from an old file to a new one."""

import io

from pyzsync.classic import block_checksums, get_blocks, get_blueprint, zsync_delta


class Counted(io.BytesIO):
    """A file in memory that lists the sizes of its reads and writes."""

    def __init__(self, data=b""):
        super().__init__(data)
        self.reads = []
        self.writes = []

    def read(self, size=-1):
        data = super().read(size)
        self.reads.append(len(data))
        return data

    def write(self, data):
        self.writes.append(len(data))
        return super().write(data)


class Awaited:
    """The same, with methods to be awaited as those of aiofiles."""

    def __init__(self, data=b"", most=None):
        self.inner = Counted(data)
        self.most = most  # bytes a read returns, however many were asked for

    async def read(self, size):
        return self.inner.read(size if self.most is None else min(size, self.most))

    async def seek(self, offset):
        return self.inner.seek(offset)

    async def write(self, data):
        return self.inner.write(data)

    async def truncate(self, size):
        return self.inner.truncate(size)

    def getvalue(self):
        return self.inner.getvalue()


async def hashlist(new, blocksize):
    return await block_checksums(Awaited(new), blocksize)


async def plan(old, new, blocksize):
    """Instructions, missing numbers and their blocks, and the hashlist."""
    num, hashes = await hashlist(new, blocksize)
    delta = await zsync_delta(Awaited(old), hashes, blocksize)
    instructions, missing = get_blueprint(delta, num)
    return instructions, missing, get_blocks(io.BytesIO(new), missing, blocksize), hashes
