"""Which tree, settings and dialects a command works on. Shared by the commands."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from atlas_ops import settings
from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.errors import UsageError
from atlas_ops.settings import Settings


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="your atlas-ops.yaml (default: the built-in settings)"
    )


def read_config(args: argparse.Namespace) -> Settings:
    """Return the settings that `--config` names; the built-in ones without it."""
    dialects = getattr(args, "dialects", "")
    return settings.read(args.config, dialects) if args.config else settings.parse("", dialects=dialects)


def add_dialects(parser: argparse.ArgumentParser) -> None:
    """Add `--dialects DIR`."""
    parser.add_argument(
        "--dialects",
        default="",
        metavar="DIR",
        help="your own dialects, RUNTIME.yaml each; one with the name of a shipped one takes its place (default: none)",
    )


def shipped_runtimes() -> str:
    """Return the ids of the shipped dialects, as lines of a help text."""
    return textwrap.fill(f"Runtimes: {', '.join(runtime_ids())}.", 120)


def is_tree(folder: Path) -> bool:
    """Say whether a folder holds what atlas-ops generates, or is a checkout of atlas-ops."""
    return (folder / "alerts").is_dir() or (folder / "atlas_ops" / "catalog").is_dir()


def existing(folder: Path) -> Path:
    """Return the folder; UsageError when it is none."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", next_step="check the path")
    return folder
