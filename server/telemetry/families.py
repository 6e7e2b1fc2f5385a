"""Names the counters of the server, as Prometheus sees them."""

from prometheus_client import CollectorRegistry, Counter


def counter(registry: CollectorRegistry, name: str, what: str, *labels: str) -> Counter:
    """A counter of `registry` under the server's name; `labels` are those that each count is given."""
    return Counter(f"stageflow_voice_{name}", what, labels, registry=registry)
