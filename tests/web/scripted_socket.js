/**
 * A server of a few lines in place of the page's socket: it says what a test tells it to, as fast as the test likes.
 *
 * `scripted` holds it. Run before the page's own scripts.
 */
const RATE_HZ = 24000;
const SESSION = { id: "sess_1", object: "realtime.session", type: "realtime", audio: { output: { voice: "amy" } } };
const VOICES = [{ name: "amy", description: "English, calm" }, { name: "ryan", description: "English, lively" }];

/** A binary frame of an answer, as the wire has it: a quiet hum. */
function hum(offset, samples, epoch) {
  const frame = new ArrayBuffer(12 + samples * 2);
  const view = new DataView(frame);
  view.setUint8(0, 1);
  view.setUint8(1, 1);
  view.setUint32(4, epoch, true);
  view.setUint32(8, offset, true);
  for (let i = 0; i < samples; i++) {
    const loudness = 3000 * (0.6 + 0.4 * Math.sin(((offset + i) / RATE_HZ) * 9));
    view.setInt16(12 + i * 2, loudness * Math.sin(((offset + i) / RATE_HZ) * 2 * Math.PI * 180), true);
  }
  return frame;
}

class ScriptedSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 3;

  constructor() {
    Object.assign(this, { readyState: 0, protocol: "voice.v1", bufferedAmount: 0 });
    scripted.socket = this;
    setTimeout(() => scripted.accepts && this.open());
  }

  open() {
    this.readyState = ScriptedSocket.OPEN;
    this.onopen?.({});
    scripted.say({ type: "session.created", session: SESSION, x_resume: { token: "again" } });
    scripted.say({ type: "x_voices", voices: VOICES });
  }

  send(data) {
    if (typeof data === "string" && JSON.parse(data).type === "x_ping" && scripted.pongAfterMs !== null) {
      setTimeout(() => scripted.say({ type: "x_pong" }), scripted.pongAfterMs);
    }
  }

  close(code = 1005) {
    if (this.readyState === ScriptedSocket.CLOSED) return;
    this.readyState = ScriptedSocket.CLOSED;
    setTimeout(() => this.onclose?.({ code, reason: "" }));
  }
}

window.scripted = {
  socket: null,
  accepts: true, // sockets open
  pongAfterMs: 20, // null: never
  count: 0,
  epoch: 0,

  /** @param {object | ArrayBuffer} event */
  say(event) {
    if (this.socket.readyState !== ScriptedSocket.OPEN) return;
    this.socket.onmessage?.({ data: event instanceof ArrayBuffer ? event : JSON.stringify(event) });
  },

  /** The person says something, or has begun to. */
  hear(text, { isOver = true } = {}) {
    const item_id = `item_${++this.count}`;
    this.say({ type: "input_audio_buffer.speech_started", item_id });
    this.say({ type: "conversation.item.input_audio_transcription.delta", item_id, delta: text });
    if (!isOver) return item_id;
    this.say({ type: "input_audio_buffer.speech_stopped", item_id });
    const item = { id: item_id, type: "message", role: "user", content: [{ type: "input_audio" }] };
    this.say({ type: "conversation.item.added", item });
    this.say({ type: "conversation.item.input_audio_transcription.completed", item_id, transcript: text });
    return item_id;
  },

  /** The agent begins to answer: words and sound, `seconds` of it. With 0 the answer is over at once. */
  answer(text, { seconds = 0, asked = null } = {}) {
    const number = ++this.count;
    const [item_id, response_id] = [`item_${number}`, `resp_${number}`];
    this.say({ type: "response.created", response: { id: response_id, audio: { output: { format: { type: "audio/pcm" } } } } });
    this.say({ type: "response.output_item.added", response_id, item: { id: item_id, type: "message" } });
    this.say({ type: "response.output_audio_transcript.delta", item_id, delta: text });
    const words = text.match(/\S+\s*/g);
    const share = seconds ? RATE_HZ * 0.3 : 0;
    this.say({ type: "x_words", item_id, words: words.map((word, i) => ({ text: word, start_sample: i * share, end_sample: (i + 1) * share })) });
    if (seconds) this.say(hum(0, seconds * RATE_HZ, this.epoch));
    this.say({ type: "response.output_audio.done", item_id });
    this.say({ type: "response.output_item.done", response_id, item: { id: item_id, type: "message", status: "completed" } });
    this.say({ type: "response.done", response: { id: response_id, status: "completed", output: [{ id: item_id, type: "message" }] } });
    this.account(number, response_id, asked);
  },

  /** What the server knows of a turn. */
  account(turn, response_id, item_id, more = {}) {
    this.say({ type: "x_turn", turn, item_id, ended_by: "semantic", silence_ms: 240, speculated: true, saved_ms: 120, guard: "passed", route: "support", revision: 1, interrupted_by: null, ...more });
    this.say({ type: "x_metrics", turn, response_id, ms: { speech_end: 240, stt: 310, guard: 330, route: 340, first_token: 470, first_audio: 590, heard: 640 } });
  },
};
window.WebSocket = ScriptedSocket;
