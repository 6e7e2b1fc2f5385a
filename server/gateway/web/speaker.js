/** Playback: a node of the audio thread behind plain calls, and reports of what has been heard. */

export const RATE_HZ = 24000;

/**
 * Events: `report` with `{item, played, heard: {item, played}, buffered, underruns, mode, level}`, every 40 ms; `item`
 * is the number of an answer, `played` and `buffered` are samples at 24 kHz, `level` is 0 to 1.
 */
export class Speaker extends EventTarget {
  /** Must be called from a click or a key press, or browsers keep it silent. */
  static async open() {
    const context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    context.resume();
    await context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url));
    return new Speaker(context);
  }

  constructor(context) {
    super();
    this.context = context;
    this.node = new AudioWorkletNode(context, "voice-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.connect(context.destination);
    this.lag = 0;
    this.node.port.onmessage = ({ data }) => {
      this.followLatency();
      this.dispatchEvent(new CustomEvent("report", { detail: data }));
    };
  }

  /** @param {{epoch: number, item: number, offset: number, samples: Int16Array}} chunk */
  write(chunk) {
    this.node.port.postMessage(["write", chunk], [chunk.samples.buffer]);
  }

  /** `command`: end, duck, pause, resume, flush or drop, with what `PlaybackBuffer` wants to know. */
  tell(command, detail = {}) {
    this.node.port.postMessage([command, detail]);
  }

  /** What is read now is heard when it has gone through the browser and the device. */
  followLatency() {
    const lag = Math.round(((this.context.outputLatency || 0) + (this.context.baseLatency || 0)) * RATE_HZ);
    if (Math.abs(lag - this.lag) < RATE_HZ / 100) return;
    this.lag = lag;
    this.node.port.postMessage(["lag", lag]);
  }

  /** Whether this browser lets a page choose the loudspeaker. */
  static get canChoose() {
    return "setSinkId" in AudioContext.prototype;
  }

  choose(deviceId) {
    return this.context.setSinkId(deviceId);
  }

  close() {
    return this.context.close();
  }
}
