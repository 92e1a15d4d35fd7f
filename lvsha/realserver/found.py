"""What was found on the machine before us, kept in the runtime directory until `down`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lvsha.core.codec import decode, encode
from lvsha.core.realserver import Item, Values
from lvsha.errors import HostError

FILE_NAME = "realserver.json"


class FoundFile:
    """A small file, replaced as a whole."""

    def __init__(self, runtime_dir: Path) -> None:
        self.path = runtime_dir / FILE_NAME

    def load(self) -> Values:
        """Nothing where there is no file. HostError where it can't be understood."""
        try:
            data = json.loads(self.path.read_text())
            return dict(decode(tuple[tuple[Item, str], ...], data["found"]))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise HostError(f"{self.path}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise HostError(
                f"{self.path}: not what lvsha wrote, so what it found is not known: "
                "undo by hand and delete it"
            ) from error

    def save(self, found: Values) -> None:
        """Written and on disk before returning; nothing found removes the file. HostError."""
        try:
            if found:
                self._replace(json.dumps({"found": encode(tuple(found.items()))}))
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise HostError(f"{self.path}: {error.strerror}") from error

    def _replace(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
