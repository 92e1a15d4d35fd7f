"""The lines of `ipvsadm -R`: words between blanks, no quotes, no comments."""

from __future__ import annotations

from collections.abc import Iterator

_BLANKS = " \t\r"


def restore_lines(text: str) -> Iterator[list[str]]:
    """The words of each line that has any, without those that only name the program.

    A last line with neither newline nor word after two or more blanks is lost, as in ipvsadm.
    """
    *whole, last = text.split("\n")
    if not last.endswith(tuple(one + other for one in _BLANKS for other in _BLANKS)):
        whole.append(last)
    for line in whole:
        words = _words(line)
        if "ipvsadm" in words:
            words = [word for word in words if word != "ipvsadm"]
        if words:
            yield words


def _words(line: str) -> list[str]:
    if line.isascii() and line.isprintable():
        return line.split()
    return [word for word in line.replace("\t", " ").replace("\r", " ").split(" ") if word]
