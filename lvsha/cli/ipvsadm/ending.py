"""How a command ends before its end."""

from __future__ import annotations


class EndError(Exception):
    """The whole command ends here, with this exit code; everything is said already."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code
