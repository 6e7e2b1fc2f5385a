/** Both sides of a conversation as waves on one line of time, with its interruptions and the sounds that were none. */

const COLOURS = { interruption: "--stop", backchannel: "--faint" };

/**
 * @param {HTMLCanvasElement} canvas @param {import("./recording.js").Recording} recording
 * @param {{atMs: number, kind: string}[]} marks
 */
export function drawWaves(canvas, recording, marks) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const style = getComputedStyle(canvas);
  const pen = canvas.getContext("2d");
  if (canvas.width !== width * devicePixelRatio) {
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
  }
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const whole = Math.max(recording.person.peaks.length, recording.agent.peaks.length, 1);
  const lane = height / 2;
  drawLane(pen, columnsOf(recording.person.peaks, whole, width), lane / 2, lane / 2 - 2, style.getPropertyValue("--soft"));
  drawLane(pen, columnsOf(recording.agent.peaks, whole, width), lane * 1.5, lane / 2 - 2, style.getPropertyValue("--accent"));
  for (const { atMs, kind } of marks) {
    pen.fillStyle = style.getPropertyValue(COLOURS[kind]);
    const x = (atMs / (whole * 100)) * width;
    if (kind === "interruption") pen.fillRect(x, 0, 2, height);
    else pen.fillRect(x, 0, 2, lane / 2);
  }
}

/** The loudest of each column. Pure. @returns {number[]} 0 to 1 */
export function columnsOf(peaks, whole, width) {
  return Array.from({ length: width }, (_, x) => {
    const first = Math.floor((x * whole) / width);
    const last = Math.max(first + 1, Math.floor(((x + 1) * whole) / width));
    let most = 0;
    for (let i = first; i < last && i < peaks.length; i++) most = Math.max(most, peaks[i]);
    return most;
  });
}

function drawLane(pen, columns, middle, reach, colour) {
  pen.fillStyle = colour;
  columns.forEach((peak, x) => {
    const half = Math.max(0.5, Math.sqrt(peak) * reach);
    pen.fillRect(x, middle - half, 1, 2 * half);
  });
}
