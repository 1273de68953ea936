"""Landed pages as files: a page as received in a file of its own, or many in one, each on a line with its number.

Making a file costs more than writing a small page into it, and again when it is read and removed.
"""

from pathlib import Path
from typing import BinaryIO

from connector import files

FILE_BYTES = 8_000_000  # DuckDB reads each file in one thread


class PageFiles:
    """Writes pages into files of a folder; `apart` gives each page its own, with the body as received and no more."""

    def __init__(self, folder: Path, *, apart: bool) -> None:
        self._folder = folder
        self._apart = apart
        self._file: BinaryIO | None = None
        self._written = 0

    def add(self, number: int, body: bytes) -> list[Path]:
        """Write a page; returns the file that was begun for it, if one was. Raises OSError."""
        path = self._folder / f"{number:010d}.json"
        if self._apart:
            files.write(path, body)
            return [path]
        begun = self._begin(path)
        assert self._file is not None
        self._file.writelines((b'{"page":%d,"body":' % number, body, b"}\n"))
        self._written += len(body)
        return begun

    def _begin(self, path: Path) -> list[Path]:
        if self._file is not None and self._written < FILE_BYTES:
            return []
        self.end()
        self._file = files.open_bytes(path)
        return [path]

    def end(self) -> None:
        """No page is added to the file that was begun last: it can be read. Raises OSError."""
        if self._file is not None:
            self._file.close()
        self._file, self._written = None, 0
