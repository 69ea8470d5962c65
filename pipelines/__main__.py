"""`python -m calcarine.pipelines` is the command line."""

from calcarine.pipelines.cli import main

if __name__ == "__main__":
    main()
