"""How the providers of chains do, for Prometheus: who took over from whom, who is left alone, how fast each is.

Labels are names from the configuration.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from stages.providers.calls import provider_figures
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


class ProviderCalls(Collector):
    """The calls of all providers of the process, as they are when somebody asks."""

    def collect(self) -> Iterator[Metric]:
        """One family a figure, with kind and provider as labels."""
        which = ["kind", "provider"]
        calls = CounterMetricFamily("stageflow_voice_provider_calls", "Calls of a provider.", labels=which)
        hedges = CounterMetricFamily(
            "stageflow_voice_provider_hedges", "Calls made beside one that was late.", labels=which
        )
        first = HistogramMetricFamily(
            "stageflow_voice_provider_first_byte_seconds",
            "From asking a provider to its first result.",
            labels=which,
        )
        errors = CounterMetricFamily(
            "stageflow_voice_provider_errors",
            "Calls that failed, by what went wrong.",
            labels=[*which, "error"],
        )
        audio = CounterMetricFamily(
            "stageflow_voice_provider_audio_seconds", "Audio that a provider heard or spoke.", labels=which
        )
        tokens = CounterMetricFamily(
            "stageflow_voice_provider_tokens",
            "Tokens that a model says it used.",
            labels=[*which, "direction"],
        )
        for key, figures in provider_figures().items():
            calls.add_metric(key, figures.calls)
            hedges.add_metric(key, figures.hedges)
            first.add_metric(key, figures.buckets(), figures.first_sum_s)
            for error, count in figures.errors.items():
                errors.add_metric([*key, error], count)
            if key[0] == "llm":
                tokens.add_metric([*key, "input"], figures.input_tokens)
                tokens.add_metric([*key, "output"], figures.output_tokens)
            else:
                audio.add_metric(key, figures.audio_s)
        yield from (calls, hedges, first, errors, audio, tokens)
