/** What each event of the server means to the client: one function an event, the others are ignored. */

import { samplesFromBase64 } from "./frames.js";

const TRANSCRIPTION = "conversation.item.input_audio_transcription";

/** Errors that only say that we came too late. */
const HARMLESS = new Set(["response_cancel_not_active", "session_limit_reached", "audio_gap"]);

/** @type {Record<string, (client: import("./voice-client.js").VoiceClient, event: any) => void>} */
export const HANDLERS = {
  "session.created": (client, { session }) => client.tell("session", session),
  "session.updated": (client, { session }) => client.tell("session", session),

  "input_audio_buffer.speech_started": (client, { item_id }) => {
    client.person = "speaking";
    if (!client.connection.isVoice) client.silence(client.answers.last);
    client.partial = { id: item_id, text: "" };
    personSays(client, item_id, "", "partial");
  },
  "input_audio_buffer.speech_stopped": (client) => {
    client.person = "waiting";
  },
  "input_audio_buffer.cleared": (client) => {
    client.person = "silent";
  },

  [`${TRANSCRIPTION}.delta`]: (client, { item_id, delta }) => {
    const before = client.partial.id === item_id ? client.partial.text : "";
    client.partial = { id: item_id, text: before + delta };
    personSays(client, item_id, client.partial.text, "partial");
  },
  [`${TRANSCRIPTION}.completed`]: (client, { item_id, transcript }) => {
    personSays(client, item_id, transcript.trim(), "final");
    if (!transcript.trim()) stopWaiting(client);
  },
  [`${TRANSCRIPTION}.failed`]: (client, { item_id, error }) => {
    personSays(client, item_id, "", "final");
    stopWaiting(client);
    client.tell("problem", { code: "not_recognised", message: error.message, isFatal: false });
  },
  "conversation.item.added": (client, { item }) => {
    client.outbox.taken(item.id);
    const typed = item.role === "user" && item.content.find(({ type }) => type === "input_text");
    if (typed) personSays(client, item.id, typed.text, "final");
  },

  "response.created": (client, { response }) => {
    client.reply = response.id;
    client.replyFormat = response.audio?.output?.format;
    client.outbox.replyBegins();
  },
  "response.output_item.added": (client, { item }) => {
    if (item.type !== "message") return;
    client.answers.add(item.id, client.replyFormat);
    client.outbox.answered();
  },
  "response.output_audio_transcript.delta": agentWrites,
  "response.output_text.delta": agentWrites,
  "response.output_audio.delta": (client, { item_id, delta }) => {
    const answer = client.answers.find(item_id);
    if (answer) client.play(answer, 0, answer.received, samplesFromBase64(delta));
  },
  "response.output_audio.done": allHasCome,
  "response.output_text.done": allHasCome,
  "response.output_item.done": (client, { item }) => {
    const answer = client.answers.find(item.id);
    if (!answer || answer.isCut || item.status !== "incomplete") return;
    answer.words.breakOff();
    client.tell("caption", answer.caption);
  },
  "response.done": (client, { response }) => {
    client.reply = null;
    client.outbox.answered();
    stopWaiting(client);
    const answer = client.answers.find(response.output.at(-1)?.id);
    if (response.status === "cancelled" && answer?.words.state === "open") client.silence(answer);
    if (response.status === "failed") {
      const message = response.status_details?.error?.message ?? "";
      client.tell("problem", { code: "answer_failed", message, isFatal: false });
    }
  },

  x_duck: (client) => client.speaker.tell("duck"),
  x_pause: (client) => client.speaker.tell("pause"),
  x_resume: (client) => client.speaker.tell("resume"),
  x_flush: (client, { epoch }) => client.flush(epoch),
  x_voices: (client, { voices }) => client.tell("voices", voices),
  x_words: (client, { item_id, words }) => {
    const answer = client.answers.find(item_id);
    if (answer?.words.state === "open") answer.time(words);
    client.tell("words", { id: item_id, words });
  },
  x_turn: (client, turn) => client.tell("turn", turn),
  x_metrics: (client, metrics) => client.tell("metrics", metrics),

  error: (client, { error }) => {
    if (HARMLESS.has(error.code)) return;
    if (error.code === "setting_locked") client.uplink.configure(undefined); // the format may be what it refused
    client.tell("problem", { code: "server_error", message: error.message, isFatal: false });
  },
};

/** Show what the person says, or take it back where it is final and empty. */
export function personSays(client, id, text, status) {
  client.tell("caption", { id, role: "person", text, rest: "", status });
}

function stopWaiting(client) {
  if (client.person === "waiting") client.person = "silent";
}

function agentWrites(client, { item_id, delta }) {
  const answer = client.answers.find(item_id);
  if (!answer) return;
  answer.words.push(delta);
  client.tell("caption", answer.caption);
}

function allHasCome(client, { item_id }) {
  const answer = client.answers.find(item_id);
  if (!answer || answer.words.state !== "open") return;
  answer.words.end(answer.received);
  client.speaker.tell("end", { item: answer.number, samples: answer.received });
  answer.words.move(answer.played); // an answer without audio is over at once
  client.tell("caption", answer.caption);
}
