"""The half of a session that hears and decides: from the microphone to the floor."""

from dataclasses import dataclass, replace
from itertools import islice

from server.conversation.asked import expected
from server.conversation.clips import Clips
from server.conversation.recognition import GiveHints
from server.conversation.session_language import SessionLanguage
from server.conversation.spoken_items import SpokenItems
from server.conversation.utterances import Utterances
from server.output.audible import AudibleVoice
from server.session.base import SessionBase
from server.session.services import floor_limits
from server.turntaking.echo_path import EchoPath
from server.turntaking.floor import Floor
from server.turntaking.hearing import Hearing
from server.turntaking.inbox import FloorInbox
from server.turntaking.microphone import Microphone
from server.turntaking.overlaps import SpeechContext
from server.turntaking.speech import Speech
from server.turntaking.turn_hearing import hearing_with
from stages.ports import MAX_PHRASES


@dataclass(frozen=True, slots=True)
class Listening:
    """The parts of one session that hear and decide, each made of those before it."""

    language: SessionLanguage
    floor: Floor
    inbox: FloorInbox
    spoken: SpokenItems
    clips: Clips
    utterances: Utterances
    hearing: Hearing
    speech: Speech
    microphone: Microphone


def listening_of(base: SessionBase) -> Listening:
    """The parts, put together."""
    services, config, tasks = base.services, base.config, base.tasks
    floor = Floor(floor_limits(services))
    inbox = FloorInbox(floor)
    spoken = SpokenItems(base.session_id, base.conversation, base.outbound, config, tasks)
    language = SessionLanguage(config, services.languages, services.recognised)
    hints = _hints_by(language, base)
    clips = Clips(
        base.session_id,
        services.recogniser,
        spoken,
        max_waiting_s=services.limits.max_waiting_clips_s,
        clip_s=services.deadlines.clip_s,
        tasks=tasks,
        hints=hints,
    )
    utterances = Utterances(services.recogniser, base.ids, services.deadlines.recognise_s, hints=hints)
    utterances.tell(language)
    utterances.tell(spoken)
    hearing = _hearing(base, utterances)
    context = SpeechContext(
        inbox=inbox,
        outbound=base.outbound,
        spoken=spoken,
        conversation=base.conversation,
        config=config,
        answer=base.holder,
        end_of_turn=services.end_of_turn,
        interruption=services.interruption,
        interruption_in=services.interruption_in,
        language=language,
        holds_voice=base.holds_voice,
    )
    speech = Speech(hearing, context)
    utterances.tell(speech)
    _take_out_echo(base, hearing, speech)
    microphone = Microphone(hearing, speech, base.outbound)
    return Listening(language, floor, inbox, spoken, clips, utterances, hearing, speech, microphone)


def _hearing(base: SessionBase, utterances: Utterances) -> Hearing:
    services = base.services
    return hearing_with(services.recogniser)(
        utterances,
        services.new_vad(),
        base.config.current,
        max_utterance_s=services.limits.max_utterance_s,
        first_sign_counts=base.holds_voice and not services.interruption.protect_ms,
    )


def _take_out_echo(base: SessionBase, hearing: Hearing, speech: Speech) -> None:
    how = base.services.echo_cancellation
    if how is None:
        return
    voice = base.outbound.audible = AudibleVoice(base.now)
    path = EchoPath(voice, base.config, is_always=how.is_always, heard_echo=lambda: speech.echo.is_known)
    hearing.take_out_echo(how.new_canceller, path.played)


def _hints_by(language: SessionLanguage, base: SessionBase) -> GiveHints:
    """What the recogniser of the next utterance is told: its language, the words that client and operator expect, the
    client's first, and what the agent has asked for, be it in the answer that is being said: who talks over it answers
    the newest question that was heard."""

    def phrases() -> tuple[str, ...]:
        expected_words = dict.fromkeys((*base.config.current.phrases, *base.services.phrases))
        return tuple(islice(expected_words, MAX_PHRASES))

    return lambda: replace(
        language.hints(), phrases=phrases(), expects=base.holder.asks_for or expected(base.conversation)
    )
