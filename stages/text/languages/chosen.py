"""One or several languages as a setting has them: "es", "en, es", or a list of codes."""

from typing import Annotated, Literal

from pydantic import BeforeValidator


def language_codes(value: object) -> object:
    """Codes of a text, in their order and each once; anything else as it is."""
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, list | tuple) and all(isinstance(code, str) for code in value):
        return tuple(dict.fromkeys(value))
    return value


Code = Literal["en", "es", "fr", "de", "it", "zh"]
Codes = Annotated[tuple[Code, ...], BeforeValidator(language_codes)]
"""Those that texts can be read in, the one first that is spoken where nothing else is known."""
