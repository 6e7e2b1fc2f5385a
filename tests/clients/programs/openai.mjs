// `openai` of npm over wss: node openai.mjs SCENE URL CLIP (see tests/clients/README.md).
// It has no tools and no history of its own: what a program of it does by hand is done by hand here.
import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const FRAME_BYTES = (2 * 24_000) / 50;
const [scene, url, clipFile] = process.argv.slice(2);
const clip = readFileSync(clipFile);
const report = { heard: [], said: [], audio_bytes: 0, interrupted: 0, tool: null, errors: [], events: [] };
let toSay = Buffer.alloc(0);

const client = new OpenAI({ apiKey: "any", baseURL: url.replace("/realtime", "").replace("wss:", "https:") });
const rt = new OpenAIRealtimeWS({ model: "gpt-realtime-2.1" }, client);
const getWeather = {
  type: "function",
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const say = (item) => rt.send({ type: "conversation.item.create", item });

const finished = new Promise((resolve) => {
  let answers = 0, itemId;
  rt.on("event", (event) => report.events.push(event));
  rt.on("error", (error) => report.errors.push(error.message));
  rt.on("session.created", () => {
    const input = { transcription: { model: "gpt-4o-mini-transcribe" }, turn_detection: { type: "server_vad" } };
    rt.send({ type: "session.update", session: { type: "realtime", audio: { input }, tools: [getWeather] } });
  });
  rt.on("session.updated", () => {
    if (scene === "talk") return void (toSay = clip);
    say({ type: "message", role: "user", content: [{ type: "input_text", text: "What is the weather?" }] });
    rt.send({ type: "response.create" });
  });
  rt.on("conversation.item.input_audio_transcription.completed", (event) => report.heard.push(event.transcript));
  rt.on("response.output_audio.delta", (event) => {
    report.audio_bytes += Buffer.from(event.delta, "base64").length;
    if (event.item_id === itemId) return;
    itemId = event.item_id;
    answers += 1;
    if (scene === "talk" && answers === 1) toSay = clip;
  });
  rt.on("input_audio_buffer.speech_started", () => {
    if (!itemId) return;
    report.interrupted += 1;
    rt.send({ type: "conversation.item.truncate", item_id: itemId, content_index: 0, audio_end_ms: 300 });
    rt.send({ type: "conversation.item.retrieve", item_id: itemId });
  });
  rt.on("conversation.item.retrieved", (event) => report.said.push(event.item.content[0].transcript));
  rt.on("response.function_call_arguments.done", (event) => {
    report.tool = JSON.parse(event.arguments).city;
    say({ type: "function_call_output", call_id: event.call_id, output: "sunny" });
  });
  rt.on("response.done", ({ response }) => {
    if (response.output.some((item) => item.type === "function_call")) {
      rt.send({ type: "response.create" });
    } else if (response.status === "completed") {
      report.said.push(response.output[0].content[0].transcript);
      resolve();
    }
  });
});

await new Promise((resolve) => rt.socket.on("open", resolve));
const silence = Buffer.alloc(FRAME_BYTES);
const microphone = setInterval(() => {
  const frame = Buffer.concat([toSay.subarray(0, FRAME_BYTES), silence]).subarray(0, FRAME_BYTES);
  toSay = toSay.subarray(FRAME_BYTES);
  rt.send({ type: "input_audio_buffer.append", audio: frame.toString("base64") });
}, 20);
await finished;
clearInterval(microphone);
rt.close();
console.log(JSON.stringify(report));
