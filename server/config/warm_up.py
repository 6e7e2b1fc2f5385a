"""Asks each language model for one token when the server starts, so that nobody's first turn waits for it.

A local server loads a model when it is first asked, which takes up to a minute; and a wrong key, or the name of a model
that has been retired, is told in the log at the start and not to the first person who speaks.
"""

import logging
from collections.abc import Iterable
from contextlib import aclosing

import anyio

from stageflow.context import Message
from stages.errors import ProviderError
from stages.ports import LanguageModel
from stages.runtime.plug_in_loops import path_of

WARM_UP_S = 120.0
"""A large model on a slow disk is there by then."""

log = logging.getLogger(__name__)

_GREETING = (Message(role="user", content="Hello."),)


async def warm_up(models: Iterable[LanguageModel]) -> None:
    """Ask all of them, one after the other. What goes wrong is logged, and nothing raised. Cancel-safe."""
    for model in models:
        try:
            with anyio.fail_after(WARM_UP_S):
                await _ask(model)
        except ProviderError as error:
            log.warning("the language model does not answer: %s", error)
        except TimeoutError:
            log.warning("the language model has not answered within %g s", WARM_UP_S)
        except Exception as error:  # somebody else's: what it raises must not end the server
            name = path_of(model)
            log.warning("the language model %s raises what is no ProviderError", name, exc_info=error)


async def _ask(model: LanguageModel) -> None:
    async with aclosing(model.stream(_GREETING, max_tokens=1)) as events:
        await anext(events, None)
