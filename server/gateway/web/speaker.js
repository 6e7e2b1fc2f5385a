/** Playback: a node that plays behind plain calls, and reports of what has been heard. */

import { Player } from "./playback-worklet.js";

export const RATE_HZ = 24000;
const SCRIPT_SAMPLES = 1024;

/**
 * Events: `report` with `{item, played, heard: {item, played}, buffered, underruns, mode, level, sound}`, every 40 ms; `item`
 * is the number of an answer, `played` and `buffered` are samples at 24 kHz, `level` is 0 to 1, `sound` what was played since
 * the last report, null where that is silence.
 */
export class Speaker extends EventTarget {
  /** Must be called from a click or a key press, or browsers keep it silent. */
  static async open() {
    const context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    context.resume();
    await context.audioWorklet?.addModule(new URL("playback-worklet.js", import.meta.url));
    return new Speaker(context);
  }

  constructor(context) {
    super();
    this.context = context;
    this.lag = 0;
    const heard = (report) => {
      this.followLatency();
      this.dispatchEvent(new CustomEvent("report", { detail: report }));
    };
    const [node, order] = context.audioWorklet ? workletPlayer(context, heard) : scriptPlayer(context, heard);
    this.node = node; // kept: a node that nobody holds may be thrown away while it plays
    this.order = order;
    this.volume = context.createGain();
    this.node.connect(this.volume).connect(context.destination);
  }

  /** @param {{epoch: number, item: number, offset: number, samples: Int16Array}} chunk */
  write(chunk) {
    this.order(["write", chunk], [chunk.samples.buffer]);
  }

  /** `command`: end, duck, pause, resume, flush or drop, with what `PlaybackBuffer` wants to know. */
  tell(command, detail = {}) {
    this.order([command, detail]);
  }

  /** What is read now is heard when it has gone through the browser and the device. */
  followLatency() {
    const lag = Math.round(((this.context.outputLatency || 0) + (this.context.baseLatency || 0)) * RATE_HZ);
    if (Math.abs(lag - this.lag) < RATE_HZ / 100) return;
    this.lag = lag;
    this.order(["lag", lag]);
  }

  /** Whether this browser lets a page choose the loudspeaker. */
  static get canChoose() {
    return "setSinkId" in AudioContext.prototype;
  }

  choose(deviceId) {
    return this.context.setSinkId(deviceId);
  }

  /** @param {number} gain 1: as it comes */
  turn(gain) {
    this.volume.gain.value = gain;
  }

  close() {
    return this.context.close();
  }
}

/** On the audio thread. @returns {[AudioNode, (message: Array, transfer?: Array) => void]} */
function workletPlayer(context, heard) {
  const node = new AudioWorkletNode(context, "voice-playback", { numberOfInputs: 0, outputChannelCount: [1] });
  node.port.onmessage = ({ data }) => heard(data);
  return [node, (message, transfer = []) => node.port.postMessage(message, transfer)];
}

/** Browsers give pages on plain http no audio worklet. The old way works there, on the page's own thread. */
function scriptPlayer(context, heard) {
  const player = new Player(context.sampleRate, heard);
  const node = context.createScriptProcessor(SCRIPT_SAMPLES, 0, 1);
  node.onaudioprocess = ({ outputBuffer }) => player.render(outputBuffer.getChannelData(0));
  return [node, (message) => player.obey(message)];
}
