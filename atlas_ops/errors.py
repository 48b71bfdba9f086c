"""Every error that a user can meet, with its exit code and what to do next.

Raised anywhere; turned into text and an exit code by `atlas_ops.cli` alone.
"""

from __future__ import annotations

from collections.abc import Sequence


class AtlasError(Exception):
    """Something went wrong that a user can understand and mend.

    `message` says what was found and what was expected, `next_step` what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.next_step}" if self.next_step else self.message


class UsageError(AtlasError):
    """A command was called in a way that it does not offer."""

    exit_code = 2


class DataError(AtlasError):
    """Data that a command was given cannot be read, or is not what the command can work with."""

    exit_code = 2


class ConfigError(AtlasError):
    """A file that the user wrote (settings, dialect, runbook) holds one or more mistakes, all listed."""

    exit_code = 3

    def __init__(self, file: str, mistakes: Sequence[str], *, next_step: str = "") -> None:
        self.file = file
        self.mistakes = tuple(mistakes)
        count = f"{len(self.mistakes)} mistake{'s' if len(self.mistakes) != 1 else ''}"
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{file}: {count}\n{lines}", next_step=next_step)

    @classmethod
    def of_all(cls, folder: str, errors: Sequence[ConfigError]) -> ConfigError:
        """Return the errors of one or more files of a folder as one."""
        if len(errors) == 1:
            return errors[0]
        mistakes = [f"{error.file}: {mistake}" for error in errors for mistake in error.mistakes]
        return cls(folder, mistakes, next_step="; ".join(dict.fromkeys(error.next_step for error in errors)))


class EnvironmentProblem(AtlasError):
    """The machine lacks something: a free port, a program, a permission, a reachable service."""

    exit_code = 4
