"""The command line: arguments, signals and exit codes, nothing else."""


def main() -> None:
    """Placeholder so that the console script resolves while the house is being built."""
