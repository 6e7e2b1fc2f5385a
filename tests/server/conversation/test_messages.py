"""Messages for the model are made once, and anew when the words have become others."""

from server.conversation.heard import SpokenPiece
from server.conversation.history import INTERRUPTED, messages
from server.conversation.memory import Conversation, Entry, cut


def talk() -> Conversation:
    conversation = Conversation()
    conversation.add(Entry("item_1", "user", "what time is it"))
    conversation.add(Entry("item_2", "assistant", "It is noon.", spoken=True, rate_hz=1000))
    return conversation


def test_what_was_told_is_told_by_the_same_messages() -> None:
    conversation = talk()
    first, again = messages(conversation), messages(conversation)
    assert [(message.role, message.content) for message in first] == [
        ("user", "what time is it"),
        ("assistant", "It is noon."),
    ]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_words_that_have_become_others_are_told_as_they_are_now() -> None:
    conversation = talk()
    messages(conversation)
    asked, answer = conversation
    asked.generated = "what day is it"
    answer.pieces = (SpokenPiece("It is ", 0, 500), SpokenPiece("noon.", 500, 500))
    cut(answer, 500)
    assert [message.content for message in messages(conversation)] == [
        "what day is it",
        f"It is{INTERRUPTED}",
    ]
