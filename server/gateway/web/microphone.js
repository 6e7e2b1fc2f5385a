/** The microphone: permission, echo cancellation, and frames of 20 ms at 24 kHz from the audio thread. */

import { RATE_HZ } from "./speaker.js";

/** Why there is no microphone; `code` is one of the values of `CODES`, `insecure_page` or `microphone_failed`. */
export class MicrophoneError extends Error {
  constructor(code, cause) {
    super(`${code}: ${cause?.message ?? "no microphone"}`, { cause });
    this.code = code;
  }
}

const CODES = {
  NotAllowedError: "permission_refused",
  SecurityError: "permission_refused",
  NotFoundError: "no_microphone",
  OverconstrainedError: "no_microphone",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

/**
 * Events: `frame` with `{samples: Int16Array, level}`, every 20 ms, silence while muted; `held` when the device has taken it
 * away for something else, or has given it back (`isHeld`); `ended` when it is gone for good.
 */
export class Microphone extends EventTarget {
  /**
   * Ask for the microphone, which may show a prompt.
   *
   * @param {AudioContext} context of 24 kHz; where the browser cannot bring both together, another one is made
   * @param {string} [deviceId] one of `devices()`; without, the person's default
   * @throws {MicrophoneError}
   */
  static async open(context, deviceId) {
    if (!navigator.mediaDevices) throw new MicrophoneError("insecure_page");
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    if (deviceId) wanted.deviceId = { exact: deviceId };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
      return await Microphone.of(stream, context);
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      throw new MicrophoneError(CODES[error.name] ?? "microphone_failed", error);
    }
  }

  static async of(stream, shared) {
    let context = shared;
    let source;
    try {
      source = context.createMediaStreamSource(stream);
    } catch {
      context = new AudioContext({ latencyHint: "interactive" }); // Firefox wants the device's own rate
      source = context.createMediaStreamSource(stream);
    }
    await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    return new Microphone(stream, source, context, context !== shared);
  }

  constructor(stream, source, context, ownsContext) {
    super();
    this.stream = stream;
    this.source = source;
    this.ownContext = ownsContext ? context : null;
    this.node = new AudioWorkletNode(context, "voice-capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { rateHz: RATE_HZ },
    });
    source.connect(this.node);
    this.node.port.onmessage = ({ data }) => this.dispatchEvent(new CustomEvent("frame", { detail: data }));
    this.track.addEventListener("ended", () => this.dispatchEvent(new Event("ended")));
    for (const change of ["mute", "unmute"]) {
      this.track.addEventListener(change, () => this.dispatchEvent(new Event("held")));
    }
  }

  get track() {
    return this.stream.getAudioTracks()[0];
  }

  get deviceId() {
    return this.track.getSettings().deviceId;
  }

  /** Whether the device keeps it from us: a call, another app. */
  get isHeld() {
    return this.track.muted;
  }

  get isMuted() {
    return !this.track.enabled;
  }

  mute(isMuted) {
    this.track.enabled = !isMuted;
  }

  close() {
    this.node.port.onmessage = null;
    this.source.disconnect();
    this.track.stop();
    return this.ownContext?.close();
  }
}
