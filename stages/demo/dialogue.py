"""What the scripted agent does next in a conversation: say something, or call a tool. Pure.

The agent is shared by all sessions and keeps nothing, so a conversation is gone through from its beginning every time,
and only the last action is carried out. What was asked last is known from the agent's own decision, and from the
sentence in the history, which also knows what a tool answered in an earlier turn; where they differ, that is right.

What the person says goes, in this order, to a rule that needs no guessing (a sum, a duration for a timer), to the task
at hand, and to its intent. What is none of the task's business is answered, and the task's question is put again.
"""

from collections.abc import Container
from dataclasses import replace
from datetime import datetime

from stages.demo.script import QUESTIONS, SCRIPT, WORDING, AgentSentence
from stages.demo.slots import find_sum
from stages.demo.tasks import Action, Call, Tasks, TaskState
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.spoken_values import find_duration_s, find_times

YES, NO, NOISE = "yes", "no", "noise"
"""Intents that are found by rule alone, and mean something only in their place."""

_REPEATING = "I said: "


def intent_by_rule(text: str) -> str | None:
    """The intent of a `plain` text where a rule can tell, and no example is needed."""
    if WORDING.patterns["noise"].fullmatch(text):
        return NOISE
    about_timer = WORDING.is_about("timer", text)
    if find_sum(text) and not about_timer and not WORDING.is_about("table", text):
        return "calculate"
    sets_timer = about_timer and (
        WORDING.is_about("setting", text) or not WORDING.is_about("not_setting", text)
    )
    if sets_timer and (find_duration_s(text) or find_times(text)):
        return "timer_set"
    if WORDING.patterns["bare_answer"].fullmatch(text):
        return YES if find_yes_or_no(text) else NO
    return None


class Dialogue(Tasks):
    """One conversation, gone through event by event. Each gives what is to be done after it."""

    def __init__(self, now: datetime, tools: Container[str], skills: str) -> None:
        """`skills` is what the agent can do, as an enumeration to be said."""
        super().__init__(now, skills)
        self._tools = tools
        self._last_told = ""
        self._action: Action = self._say("greet")

    def next_action(self) -> Action:
        """What is to be done now; before any event a greeting, and after our own words more of them."""
        return self._action or self._with_question(self._say("still_there"))

    def told(self, text: str, said: AgentSentence | None) -> None:
        """The agent said this, as far as it was heard; `said` is the last of the script's questions in it."""
        self._last_told, self._action = text, ()
        if said is not None:
            self._leave_open(said)

    def answered(self, said: AgentSentence | None) -> Action:
        """A tool answered, with this sentence if it did not fail."""
        action = (said or AgentSentence("failed"),)
        if said is None or said.occasion != "found":
            return self._act(action)
        going_on = self._go_on(
            replace(self._state, task="booking", known={**self._state.known, "found": True})
        )
        if not isinstance(going_on, Call) and going_on[0].occasion == "ask_name":
            going_on = self._say("table_free") if self._intent == "check_table" else (*action, *going_on)
        return self._act(going_on)

    def heard(self, text: str, intent: str | None) -> Action:
        """The person said this, as `plain` text, with its intent if it was understood."""
        self._text, self._intent = text, intent
        return self._act(self._reply())

    def _act(self, action: Action) -> Action:
        if isinstance(action, Call) and action.tool not in self._tools:
            action = self._say("unable")
        elif not isinstance(action, Call):
            action = self._with_question(action)
            for said in action:
                self._leave_open(said)
        self._action = action
        return action

    def _with_question(self, action: tuple[AgentSentence, ...]) -> tuple[AgentSentence, ...]:
        """After a remark that is not about the task at hand, the task's question again."""
        state = self._state
        if not state.task or action[-1].occasion in QUESTIONS or action[-1].occasion == "repeat":
            return action
        if state.asked in SCRIPT["again"]:
            return *action, *self._say(SCRIPT["again"][state.asked])
        if state.asked == "confirmation" and state.task == "booking" and "name" not in state.known:
            return *action, *self._say("table_free")
        question = self._go_on(state)
        return *action, *(self._say("ask_time") if isinstance(question, Call) else question)

    def _leave_open(self, said: AgentSentence) -> None:
        """The question of this sentence is open now."""
        question = QUESTIONS.get(said.occasion)
        if question is None:
            return
        forgotten = ("found", *question.get("forgets", ()))
        known = {slot: value for slot, value in self._state.known.items() if slot not in forgotten}
        if question.get("found"):
            known["found"] = True
        task, offer = question.get("task", ""), said.values.get("offer", "")
        self._state = TaskState(task, question["asks"], known, offer) if task else TaskState()

    def _reply(self) -> Action:
        text, intent, task = self._text, self._intent, self._state.task
        if intent == NOISE:
            return self._say("not_caught")
        by_rule = intent_by_rule(text) in ("calculate", "timer_set")
        if task and not by_rule and (going_on := self._in_task()):
            return going_on
        if wants_out(text) and len(text.split()) <= 3:
            return self._say("all_right")
        if intent in SCRIPT["begins"]:
            return self._begin(SCRIPT["begins"][intent])
        if intent in ("time", "date"):  # here and now; for other places and days there is no answer
            elsewhere = WORDING.is_about("elsewhere", text)
            return self._say("unknown") if elsewhere else Call("clock", {"tell": intent})
        if intent == "repeat":  # that of a repetition does not begin so twice
            again = self._last_told.removeprefix(_REPEATING)
            return self._say("repeat", again=again) if again else self._say("repeat_nothing")
        if intent in SCRIPT["calls"]:
            return Call(SCRIPT["calls"][intent])
        if not intent or (task and intent in (YES, NO)):
            return self._say("not_caught" if task else "unknown")
        return self._say("all_right" if intent == NO else intent)  # small talk has its answer under its name
