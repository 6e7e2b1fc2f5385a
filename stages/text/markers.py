"""The markup of chat templates in the text of a model: tags of thoughts and calls, control tokens, ends. Pure."""

import re

from stages.text.called_text import NAMESPACES

_THOUGHT_TAGS = "think|thinking|thoughts?|reasoning|reason|reflection|scratchpad|analysis|seed:think"
_CALL_TAGS = "tool_calls?|function_calls?|toolcall"
_TAG_CHARS = 160
"""A marker is never longer."""

MARKER = re.compile(
    rf"""<(?P<shuts_thought>/?)(?P<thought>{_THOUGHT_TAGS})(?:\s[^][<>◁]{{0,120}})?>
    |<(?P<shuts_details>/?)(?P<details>details)(?P<attributes>\s[^][<>◁]{{0,120}})?>
    |(?P<bracket>\[/?THINK\]|◁/?think▷|<\|channel>|<channel\|>)
    |<(?P<shuts_call>/?)(?:{NAMESPACES})?(?P<call>{_CALL_TAGS})>
    |(?P<function></(?:{NAMESPACES})?(?:function|invoke)>|<function=[^][<>◁\s]{{1,80}}>
        |<(?:{NAMESPACES})?(?:function|invoke)\sname="[^"<>◁]{{1,80}}"[^<>◁]{{0,40}}>)
    |(?P<mistral>\[TOOL_CALLS\])
    |<[|｜](?P<control>/?[^][<>◁|｜\s]{{1,40}})[|｜]>
    |(?P<turn><start_of_turn>)
    |(?P<around></?(?:response|answer)>)
    |(?P<eos></?s>|<(?:eos|bos|pad|end_of_turn)>|\[(?:/?INST|EOS|BOS)\])""",
    re.VERBOSE | re.IGNORECASE,
)
_BEGUN = re.compile(  # what the end of a text may be if it is a marker in the making
    r"(?:<[|｜][^][<>◁|｜\s]{0,40}[|｜]?|<channel\|?|</?[a-z_:]{0,24}|<(?:function=)[^][<>◁\s]{0,80}"
    r"|</?[|｜]DSML[|｜](?:\w{0,16}|invoke\s[^][<>◁]{0,120})|</?(?:details|[a-z_:]{5,16})\s[^][<>◁]{0,120}|\[/?[A-Z_]{0,10}|◁/?[a-z]{0,5})\Z",
    re.IGNORECASE,
)
_NAMES = (
    *(
        "think",
        "thinking",
        "thought",
        "thoughts",
        "reasoning",
        "reason",
        "reflection",
        "scratchpad",
        "analysis",
    ),
    *("seed:think", "details", "tool_call", "tool_calls", "function_call", "function_calls", "toolcall"),
    *(
        "function",
        "invoke",
        "s",
        "eos",
        "bos",
        "pad",
        "start_of_turn",
        "end_of_turn",
        "channel",
        "response",
        "answer",
    ),
    *("seed:", "minimax:", "steptml:", "antml:"),
)
_IN_BRACKETS = ("[think]", "[/think]", "[tool_calls]", "[inst]", "[/inst]", "[eos]", "[bos]")
_NAMESPACE = re.compile(r"(?:seed|minimax|steptml|antml):")


def begun_marker(text: str) -> int:
    """Where the end of `text` begins that may be the beginning of a marker."""
    start = max(text.rfind(sign, max(0, len(text) - _TAG_CHARS)) for sign in "<[◁")
    if start < 0 or not _BEGUN.match(text, start):
        return len(text)
    tail = text[start:].lower()
    if tail.startswith("["):
        return start if any(one.startswith(tail) for one in _IN_BRACKETS) else len(text)
    name = _NAMESPACE.sub("", re.split(r"[\s=]", tail.lstrip("<◁/"), maxsplit=1)[0])
    is_known = tail.lstrip("<◁/")[:1] in ("|", "｜") or any(
        one.startswith(name) for one in (*_NAMES, "channel|")
    )
    return start if is_known else len(text)
