"""Commands that only concern the conversation's items: a command in, the events that answer it out."""

from collections.abc import Sequence
from typing import assert_never

from server.conversation.clips import Clips
from server.conversation.memory import Conversation
from server.domain.commands import AddItem, DeleteItem, RetrieveItem, TruncateItem
from server.domain.errors import ClientError, Fault
from server.domain.events import Event, ItemAdded, ItemDeleted, ItemDone, ItemRetrieved, ItemTruncated
from server.domain.values import Item

ItemCommand = AddItem | RetrieveItem | DeleteItem | TruncateItem


def obey_item_command(command: ItemCommand, conversation: Conversation, clips: Clips) -> tuple[Event, ...]:
    """Change the conversation as asked; raises ClientError, and then nothing has changed."""
    match command:
        case AddItem(item=item, after=after):
            check_output(item, conversation)
            entry = clips.entry(item)
            clips.check_room(entry)
            previous = conversation.add(entry, after)
            clips.transcribe_soon(entry)
            return ItemAdded(entry.item(), previous), ItemDone(entry.item(), previous)
        case RetrieveItem(item_id=item_id):
            return (ItemRetrieved(conversation.get(item_id).item()),)
        case DeleteItem(item_id=item_id):
            for clip in conversation.delete(item_id).clips:
                clip.drop()
            return (ItemDeleted(item_id),)
        case TruncateItem(item_id=item_id, audio_end_ms=audio_end_ms, content_index=content_index):
            conversation.truncate(item_id, audio_end_ms)
            return (ItemTruncated(item_id, audio_end_ms, content_index),)
        case _:
            assert_never(command)


def chosen(
    context: Sequence[Item | str] | None, conversation: Conversation, clips: Clips
) -> Conversation | None:
    """What a response is to be about, if not the conversation: items, and ids of items in it.

    Raises ClientError for an item that is not there or is there twice, and for what came of a call that is not.
    """
    if context is None:
        return None
    about = Conversation(trusts_client=conversation.trusts_client)
    for number, item in enumerate(context):
        param = f"options.context[{number}]"
        if isinstance(item, Item):
            check_output(item, about, f"{param}.call_id")
            about.add(clips.entry(item, in_conversation=False), param=f"{param}.id")
        else:
            about.add(
                conversation.get(item, code=Fault.INVALID_VALUE, param=f"{param}.id"), param=f"{param}.id"
            )
    return about


def check_output(item: Item, conversation: Conversation, param: str = "item.call_id") -> None:
    """Raises ClientError, for the field `param`, for what came of a call that nobody has made."""
    if item.kind == "output" and not conversation.has_call(item.call_id):
        raise ClientError(
            Fault.CALL_UNKNOWN,
            f"Tool call ID {item.call_id!r} not found in conversation.",
            param=param,
        )
