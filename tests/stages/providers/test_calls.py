"""What is counted of calls of providers, and noted for whoever wants to know."""

from collections import Counter

import anyio

from stages.errors import ErrorKind, ProviderError
from stages.ports import Usage
from stages.providers.calls import (
    ProviderCall,
    calling,
    label,
    label_alike,
    label_of,
    noting,
    provider_figures,
)
from stages.testing.virtual_time import virtual


class Provider:
    """Something that can be named."""


class Unnameable:
    """Nothing can refer to it weakly."""

    __slots__ = ()


@virtual
async def test_a_call_is_counted_with_its_time_its_audio_and_its_tokens() -> None:
    provider = Provider()
    label(provider, "llm", "counted")
    with calling(provider) as call:
        await anyio.sleep(0.25)
        call.first()
        await anyio.sleep(5)
        call.first()
        call.tokens(Usage(7, 5))
        call.audio(1.5)
        call.audio(2.0)
    figures = provider_figures()["llm", "counted"]
    assert (figures.calls, figures.first_sum_s, figures.audio_s) == (1, 0.25, 2.0)
    assert (figures.input_tokens, figures.output_tokens) == (7, 5)
    assert dict(figures.buckets())["0.2"] == 0
    assert dict(figures.buckets())["0.3"] == dict(figures.buckets())["+Inf"] == 1


@virtual
async def test_what_goes_wrong_is_counted_by_kind_once() -> None:
    provider = Provider()
    label(provider, "stt", "failing")
    for kind in (ErrorKind.RATE, None):
        try:
            with calling(provider) as call:
                call.failed(ProviderError("first", kind=kind))
                raise ProviderError("second", kind=ErrorKind.SERVER)
        except ProviderError:
            pass
    assert provider_figures()["stt", "failing"].errors == Counter(rate=1, other=1)


@virtual
async def test_calls_are_noted_for_whoever_wants_to_know_in_tasks_too() -> None:
    provider, notes = Provider(), list[ProviderCall]()
    label(provider, "tts", "noted")

    async def call() -> None:
        with calling(provider):
            pass

    with noting(notes):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
        with calling(provider, at_once=False):
            pass
        with calling(Provider()):
            pass
    await call()
    assert [(one.kind, one.provider) for one in notes] == [("tts", "noted")]
    assert provider_figures()["tts", "noted"].calls == 2


def test_a_view_is_called_as_its_provider_and_what_has_no_name_has_none() -> None:
    provider, view = Provider(), Provider()
    label(provider, "tts", "one")
    label_alike(view, provider)
    label_alike(Provider(), Provider())
    label(Unnameable(), "tts", "none")
    assert (label_of(view), label_of(Unnameable()), label_of([])) == (("tts", "one"), None, None)
