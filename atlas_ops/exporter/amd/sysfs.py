"""Reading the small files in which the kernel tells of a device, and what its refusals mean for a question.

Used by `exporter.amd.card`, `exporter.amd.kfd` and `exporter.amd.backend`.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed, GpuLost

DRIVER = "amdgpu"

_NUMBER = re.compile(r"-?[0-9]{1,20}")
_ABSENT = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP, errno.ENODATA,
    # What the driver says while the card sleeps (it is not woken up for a measurement) or is being reset.
    errno.EPERM,
})  # fmt: skip


class Folder:
    """A folder of such files. Every read raises GpuAbsent for what is not there or not for us, GpuFailed for the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def data(self, name: str) -> bytes:
        """Return what the file `name` (a path below the folder) holds."""
        try:
            with (self.path / name).open("rb", buffering=0) as file:
                return file.readall()
        except OSError as trouble:
            raise self._meaning(name, trouble) from None

    def text(self, name: str) -> str:
        """Return the text of the file, without the white space around it. An empty file is as good as none."""
        text = self.data(name).decode("utf-8", "replace").strip()
        if not text:
            raise GpuAbsent(f"{name} is empty")
        return text

    def number(self, name: str) -> int:
        """Return the whole number that the file holds."""
        text = self.text(name)
        if not _NUMBER.fullmatch(text):
            raise GpuFailed(f"{name}: expected a whole number, found {text[:40]!r}")
        return int(text)

    def count(self, name: str) -> int:
        """Return the number that the file holds, of something that cannot be less than none."""
        number = self.number(name)
        if number < 0:
            raise GpuFailed(f"{name}: expected 0 or more, found {number}")
        return number

    def names(self, name: str) -> list[str]:
        """Return what the folder `name` below this one holds, sorted."""
        try:
            return sorted(path.name for path in (self.path / name).iterdir())
        except OSError as trouble:
            raise self._meaning(name, trouble) from None

    def _meaning(self, name: str, trouble: OSError) -> Exception:
        refusal = f"{name}: {trouble.strerror}"
        return GpuAbsent(refusal) if trouble.errno in _ABSENT else GpuFailed(refusal)


class DeviceFolder(Folder):
    """The folder of a PCI device. When the device goes away, or its driver, what is not found raises GpuLost."""

    def _meaning(self, name: str, trouble: OSError) -> Exception:
        if trouble.errno == errno.ENODEV or driver_of(self.path) != DRIVER:
            return GpuLost(
                f"{self.path.name} is gone, or the driver {DRIVER} does not hold it ({name}: {trouble.strerror})",
                next_step="see the kernel log",
            )
        return super()._meaning(name, trouble)


def driver_of(device: Path) -> str:
    """Return the name of the driver that holds a PCI device; nothing when none does."""
    try:
        return (device / "driver").readlink().name
    except OSError:
        return ""
