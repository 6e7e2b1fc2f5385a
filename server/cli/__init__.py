"""The subcommands of `stageflow-voice`, one a file: `add_arguments(parser)` and `run(arguments)`."""
