"""A real nginx of this machine, with the configuration that is shipped."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.nodes import DEPLOY, until_open
from tests.support.store_server import free_port

_AROUND = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    include {folder}/voice.conf;
}}
"""


@asynccontextmanager
async def nginx(folder: Path, *ports: int) -> AsyncIterator[int]:
    """The port of an nginx before the three nodes at these ports. Skips the test, and says so, where there is none."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        pytest.skip("NGINX WAS NOT TESTED: nginx is not installed")
    port, shipped = free_port(), (DEPLOY / "nginx.conf").read_text()
    for number, node in enumerate(ports, start=1):
        shipped = shipped.replace(f"node{number}:8080", f"127.0.0.1:{node}")
    (folder / "voice.conf").write_text(shipped.replace("listen 8080", f"listen 127.0.0.1:{port}"))
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    async with await anyio.open_process(command, stdout=subprocess.DEVNULL, stderr=None) as process:
        try:
            await until_open(port)
            yield port
        finally:
            if process.returncode is None:
                process.terminate()
