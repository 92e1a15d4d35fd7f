"""The `lvsha` command."""


def main() -> None:
    raise SystemExit(2)
