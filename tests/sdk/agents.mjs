// @openai/agents-realtime over its WebSocket transport: a whole agent with a tool.

import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

import { Heard, KEY, MODEL, run } from "./talk.mjs";

const { WS_URL } = process.env;
const asked = [];
const weather = tool({
  name: "get_weather",
  description: "The weather of a place",
  parameters: z.object({ place: z.string() }),
  execute: async ({ place }) => {
    asked.push(place);
    return JSON.stringify({ sky: "sunny" });
  },
});

await run(async () => {
  const agent = new RealtimeAgent({ name: "Helper", instructions: "Be brief.", tools: [weather] });
  const session = new RealtimeSession(agent, { transport: "websocket", model: MODEL });
  const heard = new Heard();
  let audio = 0;
  const errors = [];
  session.on("error", (error) => errors.push(error.error?.error ?? String(error.error)));
  session.on("audio", (event) => (audio += event.data.byteLength));
  session.on("audio_interrupted", () => heard.add({ type: "interrupted here" }));
  session.transport.on("*", (event) => heard.add(event));
  await session.connect({ apiKey: KEY, url: `${WS_URL}?model=${encodeURIComponent(MODEL)}` });
  const updated = await heard.event("session.updated");

  session.sendMessage("What is two plus three?");
  await heard.event("response.done");
  await heard.event("response.output_audio.done");
  const first = audio;

  session.sendMessage("What is the weather in Paris?");
  await heard.event("response.done", 2); // the call, and the answer with what it brought
  const toldAfterTool = heard.of("response.output_audio_transcript.done").at(-1).transcript;

  session.sendMessage("Tell me a story");
  await heard.event("response.created", 3);
  const before = heard.of("response.output_audio.delta").length;
  await heard.event("response.output_audio.delta", before + 1);
  session.interrupt();
  const stopped = await heard.event("response.done", 3);
  const truncated = await heard.event("conversation.item.truncated");
  await heard.event("conversation.item.retrieved");
  const history = session.history.filter((item) => item.type === "message");
  session.close();
  return {
    tools: updated.session.tools.map((each) => each.name),
    first,
    asked,
    toldAfterTool,
    stopped: stopped.response.status,
    truncated: truncated.item_id === heard.of("response.output_audio.delta").at(-1).item_id,
    roles: history.map((item) => item.role),
    firstAnswer: history[1].content[0].transcript,
    errors,
  };
});
