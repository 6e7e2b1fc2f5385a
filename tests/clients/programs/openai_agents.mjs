// `@openai/agents-realtime` over its WebSocket: node openai_agents.mjs SCENE URL CLIP (see tests/clients/README.md).
import { readFileSync } from "node:fs";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";

const FRAME_BYTES = (2 * 24_000) / 50;
const ANSWERS = { talk: 2, tool: 1 };

const [scene, url, clipFile] = process.argv.slice(2);
const clip = readFileSync(clipFile);
const report = { heard: [], said: [], audio_bytes: 0, interrupted: 0, tool: null, errors: [] };
let toSay = Buffer.alloc(0);

const getWeather = tool({
  name: "get_weather",
  description: "How the weather is in a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  execute: async ({ city }) => {
    report.tool = city;
    return "sunny";
  },
});

const agent = new RealtimeAgent({ name: "Counter", instructions: "Count.", tools: [getWeather] });
const session = new RealtimeSession(agent, { transport: new OpenAIRealtimeWebSocket({ url }) });

const finished = new Promise((resolve) => {
  const answers = new Set();
  session.on("audio", (event) => {
    report.audio_bytes += event.data.byteLength;
    if (!answers.has(event.responseId)) {
      answers.add(event.responseId);
      if (scene === "talk" && answers.size === 1) toSay = clip;
    }
  });
  session.on("audio_interrupted", () => (report.interrupted += 1));
  session.on("history_updated", (history) => {
    const parts = history.filter((item) => item.type === "message")
      .flatMap((item) => item.content.map((part) => [item.role, part]));
    report.heard = parts.filter(([role, part]) => role === "user" && part.type === "input_audio")
      .map(([, part]) => part.transcript);
    report.said = parts.filter(([role, part]) => role === "assistant" && part.type === "output_audio")
      .map(([, part]) => part.transcript);
  });
  session.on("error", (error) => report.errors.push(JSON.stringify(error)));
  session.on("agent_end", () => answers.size === ANSWERS[scene] && setTimeout(resolve, 300));
});

await session.connect({ apiKey: "any", url });
const silence = Buffer.alloc(FRAME_BYTES);
const microphone = setInterval(() => {
  const frame = Buffer.concat([toSay.subarray(0, FRAME_BYTES), silence]).subarray(0, FRAME_BYTES);
  toSay = toSay.subarray(FRAME_BYTES);
  session.sendAudio(new Uint8Array(frame).buffer);
}, 20);
if (scene === "talk") toSay = clip;
else session.sendMessage("What is the weather?");
await finished;
clearInterval(microphone);
session.close();
console.log(JSON.stringify(report));
