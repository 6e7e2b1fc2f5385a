"""How the providers of chains do, for Prometheus: who took over from whom, who is left alone, how fast each is.

Labels are names from the configuration.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stages.providers.failover.chain import changes_over, link_statistics


class ProviderChains(Collector):
    """The chains of the process, as they are when somebody asks."""

    def collect(self) -> Iterator[Metric]:
        """One family a figure, with kind and provider as labels."""
        changes = CounterMetricFamily(
            "stageflow_voice_provider_changes",
            "Calls that went on with the next provider of a chain.",
            labels=["kind", "failed", "took_over"],
        )
        breaker = GaugeMetricFamily(
            "stageflow_voice_provider_breaker",
            "1 for the state of a provider of a chain: closed, open (it is left alone) or half_open (one call tries).",
            labels=["kind", "provider", "state"],
        )
        first = GaugeMetricFamily(
            "stageflow_voice_provider_first_result_seconds",
            "From asking a provider of a chain to its first result: percentiles of its last calls.",
            labels=["kind", "provider", "quantile"],
        )
        for labels, count in changes_over().items():
            changes.add_metric(labels, count)
        for (kind, name), figures in link_statistics().items():
            breaker.add_metric([kind, name, figures.state], 1)
            for quantile, seconds in (("0.5", figures.p50_s), ("0.95", figures.p95_s)):
                if seconds is not None:
                    first.add_metric([kind, name, quantile], seconds)
        yield from (changes, breaker, first)
