/** The microphone's way to the server: what each frame is written as, in the quality that the session has, and where it lies. */

import { MICROPHONE, base64FromSamples, encodeFrame } from "./frames.js";
import { TelephoneEncoder } from "./g711.js";

export class Uplink {
  /** @param {import("./connection.js").Connection} connection */
  constructor(connection) {
    this.connection = connection;
    this.encoder = null; // of telephone quality, while the session has it
    this.sentSamples = 0;
  }

  /** A new session: it counts from 0. @param {{type: string}} [format] that is asked of it first */
  restart(format) {
    this.sentSamples = 0;
    this.configure(format);
  }

  /** From the next frame on. @param {{type: string}} [format] of the session's input */
  configure(format) {
    const isTelephone = format?.type === "audio/pcmu";
    if (isTelephone !== (this.encoder !== null)) this.encoder = isTelephone ? new TelephoneEncoder() : null;
  }

  /** @param {Int16Array} samples 24 kHz */
  send(samples) {
    const { connection } = this;
    if (connection.isVoice) {
      const data = this.encoder ? this.encoder.encode(samples) : samples;
      const frame = encodeFrame({ stream: MICROPHONE, epoch: 0, offset: this.sentSamples, samples: data });
      connection.sendAudio(frame, this.sentSamples);
      this.sentSamples += data.length;
    } else if (connection.isOpen) {
      connection.transmit(JSON.stringify({ type: "input_audio_buffer.append", audio: base64FromSamples(samples) }));
    }
  }
}
