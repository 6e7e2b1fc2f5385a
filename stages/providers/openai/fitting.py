"""What a chat server cannot take, learnt from its refusals, and requests that keep to it. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal, get_args

from stages.ports import NOTHING_SAID

Said = dict[str, Any]
"""A message as the server gets it."""

LimitName = Literal["max_tokens", "max_completion_tokens"]
LIMIT_NAMES: tuple[LimitName, ...] = get_args(LimitName)

_OPTIONAL = ("stream_options", "tool_choice")
_TEMPLATE_FAULT = re.compile(
    r"system (?:message|role|prompt)|alternat|jinja|chat.?template|role 'system'|roles must", re.IGNORECASE
)
_NO_TOOLS = re.compile(
    r"not support (?:tools|tool|function)|--enable-auto-tool-choice|tools? (?:is|are) not supported", re.I
)
_NO_SYSTEM = re.compile(
    r"system role (?:is )?not|not support\w* (?:the )?system|role 'system'", re.IGNORECASE
)
_REFUSING = (400, 404, 422, 500, 501)


class RoleFreedom(IntEnum):
    """How free the order of a conversation's messages is, in the template of the model."""

    ANY = 0
    ALTERNATE = 1
    """One system message at the beginning, then user and assistant in turn."""
    NO_SYSTEM = 2
    """The same, with the system message in the first of the user's."""


_ROLES_IN_WORDS: Mapping[RoleFreedom, str] = {
    RoleFreedom.ANY: "with the messages as they are",
    RoleFreedom.ALTERNATE: "with one system message, then user and assistant in turn",
    RoleFreedom.NO_SYSTEM: "without a system message",
}


@dataclass(frozen=True, slots=True)
class Fit:
    """What requests to one server leave out or write differently."""

    limit_names: tuple[LimitName, ...]
    """What the limit of tokens may be called, the first choice first; none where the server knows no limit."""
    without: frozenset[str] = frozenset()
    roles: RoleFreedom = RoleFreedom.ANY

    def fitted(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request as the server takes it."""
        body = {key: value for key, value in request.items() if key not in self.without}
        if "tools" in self.without:
            body.pop("tool_choice", None)
        limit = body.pop("max_tokens", None)
        if limit is not None and self.limit_names:
            body[self.limit_names[0]] = limit
        body["messages"] = ordered(request["messages"], self.roles)
        return body

    def adjusted(self, status: int, words: str, sent: Mapping[str, Any]) -> "Fit | None":
        """What to send instead, after a refusal of `sent`; None where nothing optional was refused."""
        if status not in _REFUSING:
            return None
        if _TEMPLATE_FAULT.search(words) and self.roles is not RoleFreedom.NO_SYSTEM:
            return replace(
                self, roles=RoleFreedom.NO_SYSTEM if _NO_SYSTEM.search(words) else RoleFreedom(self.roles + 1)
            )
        if "tools" in sent and _NO_TOOLS.search(words):
            return replace(self, without=self.without | {"tools"})
        limit = next((name for name in self.limit_names[:1] if name in sent), None)
        if limit and re.search(rf"\b{limit}\b", words):
            return replace(self, limit_names=self.limit_names[1:])
        for field in _OPTIONAL:
            if field in sent and field in words:
                return replace(self, without=self.without | {field})
        return None

    def changed_from(self, before: "Fit") -> str:
        """What is done otherwise, in words."""
        if left_out := self.without - before.without:
            return f"without {', '.join(sorted(left_out))}"
        if self.roles is not before.roles:
            return _ROLES_IN_WORDS[self.roles]
        return f"with {self.limit_names[0]}" if self.limit_names else "without a limit of tokens"


def ordered(messages: Sequence[Said], roles: RoleFreedom) -> list[Said]:
    """The messages as a template with such demands takes them.

    System messages at the beginning become one in any case; nothing is lost by it.
    """
    if roles is RoleFreedom.ANY:
        leading = next((at for at, one in enumerate(messages) if one["role"] != "system"), len(messages))
        system, rest = messages[:leading], list(messages[leading:])
        return [{"role": "system", "content": _joined(system)}, *rest] if system else rest
    system = [one for one in messages if one["role"] == "system"]
    rest = list(_alternating([one for one in messages if one["role"] != "system"]))
    if not system:
        return rest
    if roles is RoleFreedom.NO_SYSTEM and rest:
        return [{**rest[0], "content": _joined([*system, rest[0]])}, *rest[1:]]
    return [
        {"role": "user" if roles is RoleFreedom.NO_SYSTEM else "system", "content": _joined(system)},
        *rest,
    ]


def _alternating(messages: Sequence[Said]) -> Iterator[Said]:
    last: Said | None = None
    for message in messages:
        if last is None and message["role"] != "user":
            last = {"role": "user", "content": NOTHING_SAID}
        if last is not None and last["role"] == message["role"] and message["role"] != "tool":
            calls = [*last.get("tool_calls", ()), *message.get("tool_calls", ())]
            last = {**last, "content": _joined([last, message]), **({"tool_calls": calls} if calls else {})}
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last


def _joined(messages: Sequence[Said]) -> str:
    return "\n\n".join(text for message in messages if (text := message["content"]))
