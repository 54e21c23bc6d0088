"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path


def check_file(path: Path) -> None:
    """Raise IsADirectoryError for the path of a folder, which "" is too: of the current one."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: it is a folder, expected the path of a file.")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash or a full disk leaves the old one, or none, but never a part.

    Raises:
        OSError: the folder is not there, or cannot be written to; or the path is a folder.

    Used by masks, rounds, tickets and the cache of data.
    """
    check_file(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder, path.name)
        draft.write_bytes(content)
        os.replace(draft, path)
