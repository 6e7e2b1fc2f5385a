"""The variables of the models' files in a `.env` file: `stages.runtime.models` reads the environment only."""

import os
from collections.abc import MutableMapping
from pathlib import Path

from stages.runtime.model_lock import WHEELS_VARIABLE, load_lock
from stages.runtime.models import CACHE_VARIABLE


def adopt_model_variables(
    env_file: Path = Path(".env"), environment: MutableMapping[str, str] = os.environ
) -> None:
    """Put those of the file into the environment, which wins where it has them. Reads files."""
    if (
        not env_file.is_file()
    ):  # each start looks at the models first: without a file it has no need of the settings
        return
    from pydantic_settings import DotEnvSettingsSource

    from server.config.settings import Settings

    given = DotEnvSettingsSource(Settings, env_file=env_file).env_vars
    own = {model.override for model in load_lock().values() if model.override}
    for name, value in given.items():
        if value is not None and name.upper() in {CACHE_VARIABLE, WHEELS_VARIABLE} | own:
            environment.setdefault(name.upper(), value)
