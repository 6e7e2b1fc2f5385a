"""`stageflow-voice providers --url`: how the providers of a running server do, from its `/metrics`."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from server.client.counted import counted
from stages.providers.registry import ProviderFault

_FETCH_S = 5.0
_NAME = "stageflow_voice_provider_"
_WORKER = "stageflow_voice_worker_waiting"


@dataclass(slots=True)
class _State:
    breaker: str = "-"
    calls: int = 0
    hedges: int = 0
    errors: list[str] = field(default_factory=list)
    quantiles: dict[str, float] = field(default_factory=dict)
    answered: int = 0
    first_s: float = 0.0
    audio_s: float = 0.0
    tokens: int = 0

    def line(self, kind: str, name: str) -> str:
        """The provider on one line."""
        times = [f"p{round(100 * float(share))} {seconds:.2f} s" for share, seconds in self.quantiles.items()]
        if not times and self.answered:
            times = [f"mean {self.first_s / self.answered:.2f} s"]
        used = counted(self.tokens, "token") if kind == "llm" else f"{self.audio_s:.0f} s audio"
        parts = [counted(self.calls, "call"), *times, used]
        if self.hedges:
            parts.append(f"{self.hedges} hedged")
        parts.append("errors: " + ", ".join(self.errors) if self.errors else "no errors")
        return f"{kind:<5} {name:<18} {self.breaker:<10} {'; '.join(parts)}"


def fetch(url: str, api_key: str | None) -> str:
    """The server's `/metrics`. Raises ProviderFault where it cannot be had."""
    address = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(address.scheme, address.scheme)
    if scheme not in ("http", "https") or not address.netloc:
        raise ProviderFault([f"--url: {url!r} is no address of a server, such as http://127.0.0.1:8080"])
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    request = urllib.request.Request(f"{scheme}://{address.netloc}/metrics", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_FETCH_S) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        needs = "; it wants a key: --api-key" if error.code == 401 else ""
        raise ProviderFault([f"--url: the server answered HTTP {error.code}{needs}"]) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)  # an URLError says `<urlopen error …>` around it
        raise ProviderFault([f"--url: {address.netloc} cannot be reached: {why}"]) from error


def lines_of(page: str) -> Iterator[str]:
    """What a page of `/metrics` says of providers and of what waits for models, one line each."""
    states: dict[tuple[str, str], _State] = {}
    waiting: list[str] = []
    changes: list[str] = []
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == _WORKER:
                waiting.append(f"{labels['worker']}: {sample.value:g} waiting")
            elif sample.name == f"{_NAME}changes_total":
                changes.append(
                    f"{labels['kind']}: {labels['took_over']} took over from {labels['failed']} "
                    + counted(sample.value, "time")
                )
            elif sample.name.startswith(_NAME) and "provider" in labels:
                state = states.setdefault((labels["kind"], labels["provider"]), _State())
                _read(state, sample.name.removeprefix(_NAME), labels, sample.value)
    yield from (state.line(*key) for key, state in sorted(states.items()))
    yield from changes
    yield from waiting
    if not states:
        yield "no provider has been called yet"


def _read(state: _State, name: str, labels: dict[str, str], value: float) -> None:
    match name:
        case "breaker":
            state.breaker = labels["state"]
        case "calls_total":
            state.calls = int(value)
        case "hedges_total":
            state.hedges = int(value)
        case "errors_total":
            state.errors.append(f"{int(value)} {labels['error']}")
        case "first_result_seconds":
            state.quantiles[labels["quantile"]] = value
        case "first_byte_seconds_count":
            state.answered = int(value)
        case "first_byte_seconds_sum":
            state.first_s = value
        case "audio_seconds_total":
            state.audio_s = value
        case "tokens_total":
            state.tokens += int(value)
        case _:
            pass
