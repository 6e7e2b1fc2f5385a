"""The Python client: a socket, a player with the same ring as the browser's, and `stageflow-voice talk`."""
