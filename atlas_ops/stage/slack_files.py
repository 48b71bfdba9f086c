"""Files as Slack takes them: an address to upload to, the bytes, then a call that completes it. Used by `stage.slack_standin`."""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_ops.stage.slack_limits import Json

UPLOADS = "/upload/v1/"
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(kw_only=True, slots=True)
class File:
    """A file. It can be shown in a message when it is complete."""

    id: str
    name: str
    length: int
    alt_text: str
    content: bytes = b""
    complete: bool = False


@dataclass(slots=True)
class Files:
    """The files of a workspace. Methods return an error code of Slack's, or "" when all is well."""

    files: dict[str, File] = field(default_factory=dict)

    def announce(self, arguments: Json) -> File | str:
        """Take the name and length of a file to come; return it, or an error code."""
        name, length = str(arguments.get("filename") or ""), str(arguments.get("length") or "")
        if not name or not length.isdecimal() or int(length) == 0:
            return "invalid_arguments"
        made = File(
            id=f"F0STANDIN{len(self.files):03}",
            name=name,
            length=int(length),
            alt_text=str(arguments.get("alt_txt") or arguments.get("alt_text") or ""),
        )
        self.files[made.id] = made
        return made

    def upload(self, path: str, content: bytes) -> str:
        """Take the bytes of an announced file; return an error, or "" when they are what was announced."""
        found = self.files.get(path.removeprefix(UPLOADS))
        if found is None:
            return "unknown upload"
        if len(content) != found.length:
            return "wrong length"
        found.content = content
        return ""

    def complete(self, arguments: Json) -> str:
        """Complete the files that a call names."""
        listed = arguments.get("files")
        names = (
            [str(entry.get("id", "")) for entry in listed if isinstance(entry, dict)]
            if isinstance(listed, list)
            else []
        )
        if not names:
            return "invalid_arguments"
        if any(name not in self.files or not self.files[name].content for name in names):
            return "file_not_found"
        for name in names:
            self.files[name].complete = True
        return ""

    def shows(self, name: str) -> bool:
        """Tell whether a message can show a file: a complete PNG."""
        found = self.files.get(name)
        return found is not None and found.complete and found.content.startswith(_PNG)
