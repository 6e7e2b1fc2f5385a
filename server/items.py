"""Commands that only concern the conversation's items: a command in, the events that answer it out."""

from typing import assert_never

from server.events import (
    AddItem,
    DeleteItem,
    Event,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    RetrieveItem,
    TruncateItem,
)
from server.memory import Conversation, Entry

ItemCommand = AddItem | RetrieveItem | DeleteItem | TruncateItem


def obey_item_command(command: ItemCommand, conversation: Conversation) -> tuple[Event, ...]:
    """Change the conversation as asked; raises ClientError, and then nothing has changed."""
    match command:
        case AddItem(item=item, after=after):
            entry = Entry(item.id, item.role, item.text, spoken=item.spoken, status=item.status)
            previous = conversation.add(entry, after)
            return ItemAdded(item, previous), ItemDone(item, previous)
        case RetrieveItem(item_id=item_id):
            return (ItemRetrieved(conversation.get(item_id).item()),)
        case DeleteItem(item_id=item_id):
            conversation.delete(item_id)
            return (ItemDeleted(item_id),)
        case TruncateItem(item_id=item_id, audio_end_ms=audio_end_ms, content_index=content_index):
            conversation.truncate(item_id, audio_end_ms)
            return (ItemTruncated(item_id, audio_end_ms, content_index),)
        case _:
            assert_never(command)
