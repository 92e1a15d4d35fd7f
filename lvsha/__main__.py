"""`python -m lvsha` and the `lvsha` program."""

from lvsha.cli.main import main

if __name__ == "__main__":
    main()
