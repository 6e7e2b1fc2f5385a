// `@openai/agents-realtime` with a hosted MCP tool: node openai_agents_hosted.mjs hosted URL CLIP, MCP_URL in the environment.
import { hostedMcpTool } from "@openai/agents-core";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

const [, url] = process.argv.slice(2);
const report = { heard: [], said: [], audio_bytes: 0, interrupted: 0, tool: null, errors: [] };
const shop = hostedMcpTool({
  serverLabel: "shop",
  serverUrl: process.env.MCP_URL,
  requireApproval: { never: { toolNames: ["stock"] } },
});
const agent = new RealtimeAgent({ name: "Seller", instructions: "Sell.", tools: [shop] });
const transport = new OpenAIRealtimeWebSocket({ url });
const session = new RealtimeSession(agent, { transport });

const finished = new Promise((resolve) => {
  transport.on("mcp_tools_listed", () => session.sendMessage("Are there shoes?"));
  session.on("tool_approval_requested", (context, agent, request) => session.approve(request.approvalItem));
  session.on("mcp_tool_call_completed", (context, agent, call) => (report.tool = call.output));
  session.on("error", (error) => report.errors.push(JSON.stringify(error)));
  // The session itself asks for the answer that follows a call.
  session.on("agent_end", (context, agent, text) => {
    if (text) report.said.push(text);
    if (report.said.length === 2) session.sendMessage("Then buy them.");
    if (report.said.length === 3) resolve();
  });
});

await session.connect({ apiKey: "any", url });
await finished;
session.close();
console.log(JSON.stringify(report));
