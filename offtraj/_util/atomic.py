"""Folders that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from offtraj.errors import OutputError

__all__ = ["new_folder"]

_MARK = ".unfinished-"


@contextmanager
def new_folder(target: Path, *, option: str = "--out") -> Iterator[Path]:
    """A new folder to write into, which replaces `target` when the block ends without an error.

    Until then `target` is unchanged. After an error nothing is left; after a kill a hidden folder is left next to
    it, which the next call removes.

    Args:
        target: The folder.
        option: Command-line option that chooses another folder, for messages.

    Raises:
        OutputError: when the disk is full or the folder cannot be written; `target` is unchanged.
    """
    target = Path(os.path.abspath(target))
    with _output_errors(target, option), _parents(target):
        _remove_leftovers(target)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}{_MARK}{os.getpid()}-", dir=target.parent))
        try:
            folder.chmod(0o755)
            yield folder
            _replace(folder, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def _parents(target: Path) -> Iterator[None]:
    """Makes the folders that hold `target`; after an error those that were made and are empty are removed."""
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # not made, or in use by another process
                folder.rmdir()
        raise


@contextmanager
def _output_errors(target: Path, option: str) -> Iterator[None]:
    """Turn errors of the system into ones that name the folder and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"{target}: the disk is full: nothing was written there; make room and run the same command again: "
                "what was sampled is kept",
                exit_code=1,
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EEXIST):
            raise OutputError(f"{target}: cannot be written: {error.strerror}: choose another {option}") from error
        raise


def _replace(folder: Path, target: Path) -> None:
    if not target.exists():
        os.rename(folder, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}{_MARK}{os.getpid()}-", dir=target.parent)) / "old"
    os.rename(target, old)
    os.rename(folder, target)
    shutil.rmtree(old.parent, ignore_errors=True)


def _remove_leftovers(target: Path) -> None:
    """Remove the folders of killed processes, not those of running ones."""
    for leftover in target.parent.glob(f".{target.name}{_MARK}*"):
        pid = leftover.name.partition(_MARK)[2].partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            old = leftover / "old"
            if old.exists() and not target.exists():  # killed between the two renames
                os.rename(old, target)
            shutil.rmtree(leftover, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
