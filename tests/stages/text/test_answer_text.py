"""What a chat model writes is sorted into speech, thoughts and calls, wherever it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.testing.servers.chat_stream import ARGUMENTS
from stages.text.answer_text import AnswerText, Channel, Piece
from stages.text.called_text import Call, calls_in, several_objects


def pieces(*deltas: str, tools: tuple[str, ...] = ("add",), thinks_first: bool = False) -> list[Piece]:
    text = AnswerText(tools, thinks_first=thinks_first)
    return [piece for delta in deltas for piece in text.push(delta)] + text.flush()


def of(channel: Channel, given: list[Piece]) -> str:
    return "".join(text for has, text in given if has is channel)


def spoken(*deltas: str, thinks_first: bool = False) -> str:
    return of(Channel.SAID, pieces(*deltas, thinks_first=thinks_first))


PROSE = [
    "To make the syrup: Action: add[sugar] and stir until it melts.",
    "The steps of the recipe.\nAction: add[sugar]\nThen stir.",
    "Action: add (two cups) of flour and mix.",
    "In our game you say Action: add(a coin) and roll a die.",
    "Tool: add\nInput: whatever you like, says the manual.",
    "Function: add\nParameters: none. It gives the sum.",
    "Terms of film. Action: add\nInput: more light.",
    "Action: add\nInput: more light.\nThat is what the director says.",
    "The log has Action: add\nAction Input: one\nand then it goes on.",
    "Call to Action: add[your name] today!",
    "The paper writes Action: add[Paris] and then Observation: Paris is in France.",
    "You can call add(a=1, b=2) in Python to get three.",
    "add {salt} to taste, that is how the template reads.",
    "add(a=1, b=2) gives three.",
    'He wrote Action: add{"a": 1} and it ran.',
    'The JSON is {"name": "add", "arguments": {"a": 1}} in the docs.',
    '{"name": "Bob", "arguments": "none"} is how I would write it.',
    '{"name": "add", "arguments": {}} is the format, and it means a call.',
    '{"name": "Bob", "arguments": "none"}',
    '```json\n{"action": "add", "action_input": "sugar"}\n```\nThat is what the log shows.',
]
"""What people write, and what looks like a call of the tool that was offered."""

CASES = [
    *((text, text) for text in PROSE),
    ("Use the <tool_call> tag when the model calls it.", "Use the  tag when the model calls it."),
    ("<tool_call>add", ""),
    (
        "Stir.\nAction: add[sugar]\nThen wait.\nAction: add\nAction Input: {}",
        "Stir.\nAction: add[sugar]\nThen wait.\n",
    ),
    ("Hello there.", "Hello there."),
    ("  Hello there.", "Hello there."),
    ("<think>Hm, what now?</think>\n\nHello.", "Hello."),
    ("<thinking>a</thinking> b <think>c</think> d", "b d"),
    ("Sure. <think>wait</think>Done.", "Sure. Done."),
    ("<think>never ends", ""),
    ("<think a=1>x</think>y", "y"),
    ("stray</think> end", "stray end"),
    ("Okay, the user greets.</think>Hello.", "Hello."),
    ("The user greets", "The user greets"),
    ("Okay, the users are many.", "Okay, the users are many."),
    ("1 < 2 and <b>", "1 < 2 and <b>"),
    ("a[1] and [laughs]", "a[1] and [laughs]"),
    ("<details>more</details>", "<details>more</details>"),
    ("ends in <thi", "ends in <thi"),
    ("ends in <|im_e", "ends in <|im_e"),
    ("a <tool", "a <tool"),
    ('{"weather": "fine"}', '{"weather": "fine"}'),
    ("<tool_call>no call at all</tool_call>Hello.", "Hello."),
    ("<|start|>assistant<|channel|>final<|message|>Hi<|end|>", "Hi"),
    ("assistant: Hi", "Hi"),
    ("Action: we should go.", "Action: we should go."),
    ("The motto is Action: add\nmilk", "The motto is Action: add\nmilk"),
    ("Action: run(s) it", "Action: run(s) it"),
    ("Tool: a hammer.\nFunction: to hit.", "Tool: a hammer.\nFunction: to hit."),
    *((text, text) for text in ("Function: sort\nParameters: a list.", "**Tool:** saw\n**Input:** wood.")),
    ("Thought: leadership matters.", "Thought: leadership matters."),
    ("Thought: hm.\nAction: finish[x]\nAnswer: Hi", "Hi"),
    ("Action: Finish[Good day.]", "Good day."),
    ("Action: Final Answer\nAction Input: Hi", "Hi"),
    ("Wait.\nAction: add\nAction Input: {}\nObservation: 3\nAnswer: 3", "Wait.\n"),
    ("✿FUNCTION✿: add\n✿ARGS✿: {}\n✿RETURN✿: Hi", "Hi"),
    ("A ✿ and ✿FLOWER✿", "A ✿ and ✿FLOWER✿"),
    ("functools[0] and functools", "functools[0] and functools"),
    ('functools[{"name": "add", "arguments": {}}]', ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_what_is_said(text: str, expected: str) -> None:
    assert spoken(text) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_it_does_not_matter_where_the_text_is_cut(text: str, expected: str) -> None:
    assert spoken(*text) == expected
    for cut in range(len(text)):
        assert spoken(text[:cut], text[cut:]) == expected


def test_nothing_is_held_back_without_need() -> None:
    text = AnswerText(("add",))
    assert text.push("Hello") == [(Channel.SAID, "Hello")]
    assert text.push(" <") == [(Channel.SAID, " ")]
    assert text.push("b>") == [(Channel.SAID, "<b>")]
    assert text.push(" [x") == [(Channel.SAID, " [x")]


@pytest.mark.parametrize("first", ["Hello", "One moment", "I can", "Of course", "Alright, that"])
def test_usual_beginnings_are_said_at_once(first: str) -> None:
    assert AnswerText(("add",)).push(first) == [(Channel.SAID, first)]


def test_a_model_that_thinks_first_is_waited_for() -> None:
    assert spoken("Hm. ", "Well.", "</think>", "Hello.", thinks_first=True) == "Hello."
    assert spoken("No thought ", "at all.", thinks_first=True) == "No thought at all."


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (
            f'[{{"name": "add", "arguments": {ARGUMENTS}}}, {{"name": "now", "arguments": {{}}}}]',
            ["add", "now"],
        ),
        (f'{{"type": "function", "function": {{"name": "add", "arguments": {ARGUMENTS}}}}}', ["add"]),
        (f"add{ARGUMENTS} now{{}}", ["add", "now"]),
        ("[add(a=1), now()]", ["add", "now"]),
        ("add(open('x'))", []),
        ("add(a=b)", []),
        ("Hello there.", []),
        ("{not json", []),
        ("[1, 2]", []),
        ("call:add{a:<escape>b, c: {<escape>,d:[1]} call:now{}", ["add", "now"]),
        ("<name>add</name><input>{}</input>", ["add"]),
    ],
)
def test_calls_in_a_text(text: str, calls: list[str]) -> None:
    assert [name for name, _ in calls_in(text)] == calls


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (ARGUMENTS, 1),
        (ARGUMENTS * 2, 2),
        (f"{ARGUMENTS}\n{ARGUMENTS}", 2),
        ("{", 1),
        (ARGUMENTS + "{", 1),
        ("1 2", 1),
        ("", 1),
    ],
)
def test_arguments_of_several_calls(text: str, objects: int) -> None:
    assert len(several_objects(text)) == objects
    if objects == 1:
        assert list(several_objects(text)) == [text]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (f"Action: add\nAction Input: {ARGUMENTS}", [("add", ARGUMENTS)]),
        ("Action: add\nAction Input: one and two", [("add", '{"input": "one and two"}')]),
        ("Action: add\nAction Input:", [("add", "{}")]),
        ("Action: add(a=1)\nAction: now()", [("add", '{"a": 1}'), ("now", "{}")]),
        ("Action: add\nInput: one and two", [("add", '{"input": "one and two"}')]),
        ("Action: add[one and two]", [("add", '{"input": "one and two"}')]),
        ("Thought: hm.\nAction: add[one]\nObservation: 1", [("add", '{"input": "one"}')]),
        ("One moment.\nAction: add(a=1)\nObservation: 1", [("add", '{"a": 1}')]),
        ('One moment.\nAction: add("one, two")', [("add", '{"input": "one, two"}')]),
        ("One moment. Action: add\nAction Input: one and two", [("add", '{"input": "one and two"}')]),
        (f"One moment. Action: add{ARGUMENTS}", [("add", ARGUMENTS)]),
        (f'{{"name": "add", "arguments": {ARGUMENTS}}}\nI will see.', [("add", ARGUMENTS)]),
        ("Action: search\nAction Input: {}", [("search", "{}")]),
    ],
)
def test_calls_in_lines(text: str, calls: list[Call]) -> None:
    assert list(calls_in(of(Channel.CALL, pieces(text, tools=("add", "now"))))) == calls


def test_a_call_of_what_was_not_offered_is_not_read_aloud() -> None:
    given = pieces('{"name": "take_away", "arguments": {}}')
    assert of(Channel.SAID, given) == ""
    assert [name for name, _ in calls_in(of(Channel.CALL, given))] == ["take_away"]


FRAGMENTS = st.sampled_from(
    [
        *(
            "<think>",
            "</think>",
            "<",
            "th",
            "ink>",
            " ",
            "a",
            "/",
            "<|",
            "|>",
            "end",
            "<|channel|>",
            "analysis",
        ),
        *("<|message|>", "[TOOL_CALLS]", "<tool_call>", "</tool_call>", "{", "the user ", "\n", "["),
        *(
            "<function=",
            "◁",
            "Action: add",
            "\nAction Input:",
            "Ac",
            "Action: add[",
            "]",
            "tion: ",
            "✿",
            "FUNCTION✿",
            "func",
        ),
        *("tools", "Thought: ", "\nAnswer:", "<|tool_call>", "<tool_call|>", "*", "Observation:"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=20))
def test_any_cut_of_any_text_gives_the_same(fragments: list[str]) -> None:
    whole, cut = pieces("".join(fragments)), pieces(*fragments)
    for channel in Channel:
        assert of(channel, whole) == of(channel, cut)
