"""Small files as those of real data sets, and a pooch that downloads from memory."""

import gzip
import lzma
from pathlib import Path

PACKED = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress}


def write(path, text, suffix=""):
    """Write a text file, compressed as the suffix says; return its path."""
    path = Path(f"{path}{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PACKED[suffix](text.encode()))
    return path


class FakePooch:
    """Stands in for the module pooch: gives the bytes of an address, and remembers who asked."""

    def __init__(self, content=None):
        self.content = content or {}
        self.asked = []

    def retrieve(self, url, known_hash, fname=None, path=None):
        self.asked.append(url)
        if url not in self.content:
            raise ConnectionError("no route to host")
        target = Path(path) / fname
        target.write_bytes(self.content[url])
        return str(target)
