"""The tier on Ray Serve: an engine is a deployment, a replica a process, a stream one WebSocket to one replica.

Theory of operation
-------------------
Serve's HAProxy gives a new connection to the replica with the fewest, and then carries it by itself: no frame passes
through Ray. A replica that dies takes its connections with it; the client comes back at once, and is given to another.
Serve starts a new replica meanwhile. It counts open connections, and has more replicas (or fewer) when there are more
on each than `streams`; a replica that has `max_streams` refuses, whatever Serve thinks.

The only file that imports Ray, and that when it is told to start: what Ray reads from its environment is set before.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.tier.asgi import EngineApp
from stages.tier.engine import EngineChoice, TierEngine

_OBJECT_STORE_BYTES = 80 << 20
"""The least that Ray takes: nothing of ours is in it."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many processes have one engine."""

    least: int = 1
    most: int = 1
    streams: int = 8
    """Sessions on each, on average, from which on there are to be more."""
    cpus: float = 1.0
    """What Ray is to count for one, where it places replicas on several machines."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One engine and its replicas."""

    choice: EngineChoice
    replicas: Replicas


@contextmanager
def serving(
    deployments: Sequence[Deployment],
    *,
    host: str = "127.0.0.1",
    port: int = 8500,
    key: str | None = None,
    address: str | None = None,
) -> Iterator[None]:
    """Serve for as long as the block lasts, on a Ray of its own or on the cluster at `address`.

    Blocks for ten to thirty seconds. Raises RuntimeError when a replica cannot start. Leaving ends the Ray that was
    started here, with all its processes; on a cluster it takes the engines away.
    """
    with tempfile.TemporaryDirectory(prefix="tier-", ignore_cleanup_errors=True) as directory:
        _prepare(Path(directory), own=address is None)
        import ray
        from ray import serve

        own: dict[str, Any] = {}
        if address is None:
            most = sum(one.replicas.most * one.replicas.cpus for one in deployments)
            own = {
                "num_cpus": max(os.cpu_count() or 1, int(most) + 1),
                "object_store_memory": _OBJECT_STORE_BYTES,
                "include_dashboard": False,
                "_temp_dir": directory,
            }
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
        try:
            serve.start(http_options={"host": host, "port": port}, logging_config={"log_level": "ERROR"})
            for one in deployments:
                kind = one.choice.kind
                serve.run(_deployment(serve, one, key).bind(), name=kind, route_prefix=f"/v1/{kind}")
            yield
        finally:
            if address is not None:
                for one in deployments:
                    serve.delete(one.choice.kind)
            ray.shutdown()


def _deployment(serve: Any, one: Deployment, key: str | None) -> Any:
    choice, replicas = one.choice, one.replicas

    def build() -> EngineApp:
        """In the replica's process, which goes on only when the engine is loaded."""
        return EngineApp(TierEngine.load(choice), key)

    class Replica:
        """What Serve keeps a replica's state in; there is none."""

    options: dict[str, Any] = {
        "name": choice.kind,
        # More than the replica takes: it refuses at once, where Serve would let the client wait.
        "max_ongoing_requests": choice.max_streams + 16,
        "ray_actor_options": {"num_cpus": replicas.cpus},
        "health_check_period_s": 5,
        "health_check_timeout_s": 15,
    }
    if replicas.least == replicas.most:
        options["num_replicas"] = replicas.least
    else:
        options["autoscaling_config"] = {
            "min_replicas": replicas.least,
            "max_replicas": replicas.most,
            "target_ongoing_requests": replicas.streams,
            "upscale_delay_s": 5,
            "downscale_delay_s": 900,  # a replica that goes ends its sessions' streams
        }
    return serve.deployment(**options)(serve.ingress(build)(Replica))


def _prepare(directory: Path, *, own: bool) -> None:
    """What Ray and its HAProxy read from the environment; what is set already stays."""
    wanted = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_EXPERIMENTAL_PIP_HAPROXY": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(directory / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(directory / "haproxy.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(directory),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(directory / "haproxy-state"),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # on a port that is open to the network
        "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
        # A proxy not ready after 5 s is killed, and the start fails with it; a busy machine takes longer to import Ray.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "55",  # Serve itself waits 60 s
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),  # 8500, our own, if it is not told
    }
    if own:
        wanted["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # Ray's own ports are open to the network
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
