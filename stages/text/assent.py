"""Whether somebody who was asked has said yes or no, or wants out, by the words of `stages.text.plain`. Pure."""

import re

_YES = re.compile(
    r"^(?:(?:oh|well|um|uh|ok|okay) )*(?:yes|yeah|yep|yup|ya|sure|okay|ok|correct|right|exactly|please do"
    r"|do it|go ahead|of course|definitely|absolutely|fine|perfect|great|sounds (?:good|fine)|that works"
    r"|(?:that's|that is|that would be) (?:right|fine|correct|good|great)|book it|confirm|i do|please)\b"
)
_NO = re.compile(
    r"^(?:(?:oh|well|um|uh|ok|okay|actually) )*(?:no|nope|nah|don't|do not|wrong|i don't|negative"
    r"|not (?:really|that|right|quite|now|yet)|(?:that's|that is) (?:wrong|not right|not it))\b"
)
_DROP = re.compile(
    r"\b(?:never ?mind|forget (?:it|about it|that)|cancel (?:it|that|this)|stop (?:it|that)|leave it|drop it"
    r"|changed my mind|don't bother|no longer want|not any ?more|let's not)\b"
    r"|^(?:cancel|stop|quit|abort|nothing)(?: please)?$"
)


def find_yes_or_no(text: str) -> bool | None:
    """Whether the person agreed; None if they did neither."""
    if _NO.search(text):
        return False
    return True if _YES.search(text) else None


def wants_out(text: str) -> bool:
    """Whether the person wants to drop what they are in the middle of."""
    return bool(_DROP.search(text))
