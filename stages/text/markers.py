"""The markup of chat templates in the text of a model: tags of thoughts and calls, control tokens, ends. Pure."""

import re
from enum import Enum, auto

from stages.text.acted_text import ACT
from stages.text.called_text import NAMESPACES

_THOUGHT_TAGS = "think|thinking|thoughts?|reasoning|reason|reflection|scratchpad|analysis|seed:think"
_CALL_TAGS = "tool_calls?|function_calls?|toolcall|tool_use"
_FLOWER = "✿(?::|(?=[^:]))"
"""Ends a label between flowers, which a colon may follow."""
_TAG_CHARS = 160
"""A marker is never longer."""


def _begun(word: str) -> str:
    """A pattern of all beginnings of a word."""
    return "|".join(word[:end] for end in range(len(word), 0, -1))


MARKER = re.compile(
    rf"""<(?P<shuts_thought>/?)(?P<thought>{_THOUGHT_TAGS})(?:\s[^][<>◁]{{0,120}})?>
    |<(?P<shuts_details>/?)(?P<details>details)(?P<attributes>\s[^][<>◁]{{0,120}})?>
    |(?P<bracket>\[/?THINK\]|◁/?think▷|<\|channel>|<channel\|>)
    |<(?P<shuts_call>/?)(?:{NAMESPACES})?(?P<call>{_CALL_TAGS})>
    |(?P<function></(?:{NAMESPACES})?(?:function|invoke)>|<function=[^][<>◁\s]{{1,80}}>
        |<(?:{NAMESPACES})?(?:function|invoke)\sname="[^"<>◁]{{1,80}}"[^<>◁]{{0,40}}>)
    |(?P<mistral>\[TOOL_CALLS\])
    |(?P<begins_call><start_function_call>|<\|tool_call>|\[TOOL_REQUEST\]|✿FUNCTION{_FLOWER}
        |(?<![\w.])functools(?=\s{{0,4}}\[\s{{0,4}}\{{))
    |(?P<ends_call><end_function_(?:call|response)>|<tool_call\|>|\[(?:END_TOOL_REQUEST|TOOL_REQUEST_END)\]
        |✿RETURN{_FLOWER})
    |(?P<result><start_function_response>|✿RESULT{_FLOWER})
    |(?P<between>✿ARGS{_FLOWER})
    |(?P<act>{ACT})
    |<[|｜](?P<control>/?[^][<>◁|｜\s]{{1,40}})[|｜]>
    |(?P<turn><start_of_turn>)
    |(?P<around></?(?:response|answer)>)
    |(?P<eos></?s>|<(?:eos|bos|pad|end_of_turn)>|\[(?:/?INST|EOS|BOS)\])""",
    re.VERBOSE | re.IGNORECASE,
)
_BEGUN = re.compile(  # what the end of a text may be if it is a marker in the making
    r"(?:<[|｜][^][<>◁|｜\s]{0,40}[|｜]?|<(?:channel|tool_call)\|?|</?[a-z_:]{0,24}|<(?:function=)[^][<>◁\s]{0,80}"
    r"|</?[|｜]DSML[|｜](?:\w{0,16}|invoke\s[^][<>◁]{0,120})|</?(?:details|[a-z_:]{5,16})\s[^][<>◁]{0,120}|\[/?[A-Z_]{0,18}|◁/?[a-z]{0,5})\Z",
    re.IGNORECASE,
)
_ACT_BEGUN = re.compile(  # the same of what a line of an action may be, and of a word before a bracket
    rf"""(?:(?<!\S)(?:\*{{1,2}}|\*{{0,2}}(?:{_begun("action")}|{_begun("tool")}|{_begun("function")}
            |(?:action|tool|function)\*{{0,2}}(?::\*{{0,2}}\s{{0,6}}
                (?:`{{0,3}}[a-z]{{0,4}}\s{{0,4}}
                    |`?(?:final\ answer|[a-z_][\w.-]{{0,63}})`?\s{{0,12}}\*{{0,2}}[a-z_ ]{{0,20}}\*{{0,2}}))?))
        |✿(?:{_begun("function✿")}|{_begun("args✿")}|{_begun("result✿")}|{_begun("return✿")})?
        |(?<![\w.])(?:{_begun("functools")}|functools\s{{0,4}}(?:\[\s{{0,4}})?))\Z""",
    re.VERBOSE | re.IGNORECASE,
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
    *(
        "seed:think",
        "details",
        "tool_call",
        "tool_calls",
        "function_call",
        "function_calls",
        "toolcall",
        "tool_use",
    ),
    *(
        "function",
        "invoke",
        "s",
        "eos",
        "bos",
        "pad",
        "start_of_turn",
        "end_of_turn",
        "start_function_call",
        "end_function_call",
        "start_function_response",
        "end_function_response",
        "channel",
        "response",
        "answer",
    ),
    *("seed:", "minimax:", "steptml:", "antml:"),
)
_IN_BRACKETS = (
    *("[think]", "[/think]", "[tool_calls]", "[inst]", "[/inst]", "[eos]", "[bos]"),
    *("[tool_request]", "[tool_request_end]", "[end_tool_request]"),
)
_NAMESPACE = re.compile(r"(?:seed|minimax|steptml|antml):")


def begun_marker(text: str) -> int:
    """Where the end of `text` begins that may be the beginning of a marker."""
    act = _ACT_BEGUN.search(text, max(0, len(text) - _TAG_CHARS))
    start = max(text.rfind(sign, max(0, len(text) - _TAG_CHARS)) for sign in "<[◁")
    begins = [start] if _is_begun(text, start) else []
    return min([*begins, act.start()] if act else [*begins, len(text)])


def _is_begun(text: str, start: int) -> bool:
    if start < 0 or not _BEGUN.match(text, start):
        return False
    tail = text[start:].lower()
    if tail[0] == "[":
        return any(one.startswith(tail) for one in _IN_BRACKETS)
    name = _NAMESPACE.sub("", re.split(r"[\s=]", tail.lstrip("<◁/"), maxsplit=1)[0])
    return tail.lstrip("<◁/")[:1] in ("|", "｜") or any(
        one.startswith(name) for one in (*_NAMES, "channel|", "tool_call|")
    )


class Sense(Enum):
    """What a marker says of the text that comes after it."""

    THOUGHT = auto()
    THOUGHT_OVER = auto()
    DETAILS_OVER = auto()
    CALL_TAG = auto()
    CALL_TAG_OVER = auto()
    CALL = auto()  # in a form that ends with `OVER`, or with the answer
    ACT = auto()
    RESULT = auto()  # of a tool, as the model makes it up
    ARGUMENTS = auto()
    QUOTE = auto()
    HEADER = auto()
    HEADER_OVER = auto()
    PLAIN = auto()
    AROUND = auto()  # of the answer itself
    OVER = auto()


_SENSES = {
    "function": Sense.CALL_TAG,
    "mistral": Sense.CALL_TAG,
    "begins_call": Sense.CALL,
    "act": Sense.ACT,
    "result": Sense.RESULT,
    "between": Sense.ARGUMENTS,
    "turn": Sense.HEADER,
    "around": Sense.AROUND,
}
_CONTROLS = {
    **dict.fromkeys(
        (
            *("think", "thinking", "begin_of_thought", "begin_of_thinking", "start_of_thinking"),
            "start_thinking",
        ),
        Sense.THOUGHT,
    ),
    **dict.fromkeys(
        ("/think", "/thinking", "end_of_thought", "end_of_thinking", "end_thinking"), Sense.THOUGHT_OVER
    ),
    **dict.fromkeys(("python_tag", "python_start", "start_action", "action_start"), Sense.CALL),
    **dict.fromkeys(("start", "channel", "im_start", "start_header_id", "constrain"), Sense.HEADER),
    **dict.fromkeys(("message", "end_header_id", "im_sep"), Sense.HEADER_OVER),
    '"': Sense.QUOTE,
}


def sense_of(found: re.Match[str]) -> Sense:
    """What a match of `MARKER` says."""
    group = found.lastgroup or ""
    if group == "control":
        control = found["control"].lower()
        if "tool" in control:
            is_over = control.startswith("/") or ("calls" in control and "end" in control)
            return Sense.CALL_TAG_OVER if is_over else Sense.CALL_TAG
        return _CONTROLS.get(control, Sense.OVER)
    if group == "call":
        return Sense.CALL_TAG_OVER if found["shuts_call"] else Sense.CALL_TAG
    if found["details"]:
        is_thought = "reasoning" in (found["attributes"] or "")
        return Sense.THOUGHT if is_thought else Sense.DETAILS_OVER if found["shuts_details"] else Sense.PLAIN
    if group in ("thought", "bracket"):
        is_over = "/" in found[0][:2] or found[0].lower() == "<channel|>"
        return Sense.THOUGHT_OVER if is_over else Sense.THOUGHT
    return _SENSES.get(group, Sense.OVER)
