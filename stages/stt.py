"""Turns what a person said into text: a TRANSFORM stage around a recognition that has been listening."""

from typing import Protocol

from stageflow.core import StageContext, StageKind, StageOutput
from stages.contract import DECLINED, STT, UNPROMPTED
from stages.errors import ProviderError
from stages.patience import failed
from stages.ports import Transcript
from stages.text.whole import whole


class SpokenTurn(Protocol):
    """What a session puts into its `audio_in` port: the turn's utterance, all of it pushed."""

    async def final(self) -> Transcript:
        """The text of the utterance. Raises ProviderError, ProviderTimeout too: whoever owns the recognition owns its
        deadline."""


class SttStage:
    """Gives the turn's words as `ok(text, language, no_speech)`, and to `send_transcript` if it is there.

    The words come from the utterance in the `audio_in` port; a typed turn has none and passes its
    `input_text` on. A turn without words declines: `cancel` with `{"declined": True}`; with `unprompted` in
    the run's configuration a turn that has no utterance goes on without any, for the agent to speak first.
    """

    name = STT
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        """The turn as text."""
        utterance: SpokenTurn | None = ctx.ports.audio.audio_in
        if utterance is None:
            typed = (ctx.snapshot.input_text or "").strip()
            goes_on = typed or ctx.config.get(UNPROMPTED)
            return StageOutput.ok(text=typed, language="", no_speech=0.0) if goes_on else _DECLINED
        try:
            transcript = await utterance.final()
        except ProviderError as error:
            return failed(error)
        text = whole(transcript.text).strip()
        if not any(map(str.isalnum, text)):
            return _DECLINED
        if ctx.ports.audio.send_transcript is not None:
            await ctx.ports.audio.send_transcript(text, is_final=True)
        return StageOutput.ok(text=text, language=transcript.language, no_speech=transcript.no_speech)


_DECLINED = StageOutput.cancel(reason="no speech", data={DECLINED: True})
