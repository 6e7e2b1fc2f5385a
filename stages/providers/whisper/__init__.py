"""The embedded recogniser: Whisper tiny.en on CTranslate2, cheap enough to read along."""
