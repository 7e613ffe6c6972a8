// The `openai` package over the `ws` package: OpenAIRealtimeWS, which insists on TLS.

import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

import { BASE_URL, Heard, KEY, MODEL, TOOL, bytesOf, run, userMessage } from "./talk.mjs";

function connect(key, model) {
  const client = new OpenAI({ baseURL: BASE_URL, apiKey: key });
  const realtime = new OpenAIRealtimeWS({ model }, client);
  const heard = new Heard();
  realtime.on("event", (event) => heard.add(event));
  realtime.on("error", (error) => heard.add({ type: "told", message: error.message, error: error.error }));
  realtime.socket.on("close", (code) => heard.add({ type: "closed", code }));
  return { realtime, heard };
}

async function conversation() {
  const { realtime, heard } = connect(KEY, MODEL);
  const created = await heard.event("session.created");
  const session = { type: "realtime", output_modalities: ["text"], tools: [TOOL] };
  realtime.send({ type: "session.update", session });
  const updated = await heard.event("session.updated");
  realtime.send(userMessage("What is two plus three?"));
  realtime.send({ type: "response.create" });
  await heard.event("response.done");
  const text = heard.of("response.output_text.done").map((event) => event.text).join("");

  realtime.send({ type: "session.update", session: { type: "realtime", output_modalities: ["audio"] } });
  await heard.event("session.updated", 1);
  realtime.send(userMessage("What is four plus four?"));
  realtime.send({ type: "response.create" });
  await heard.event("response.done", 1);
  const spoken = heard.of("response.output_audio_transcript.done").map((event) => event.transcript);
  const audio = bytesOf(heard.of("response.output_audio.delta"));

  realtime.send(userMessage("What is the weather in Paris?"));
  realtime.send({ type: "response.create" });
  const called = await heard.until(
    () => heard.of("response.output_item.done").find((event) => event.item.type === "function_call"),
    "function call",
  );
  await heard.event("response.done", 2);
  const output = JSON.stringify({ sky: "sunny" });
  const item = { type: "function_call_output", call_id: called.item.call_id, output };
  realtime.send({ type: "conversation.item.create", item });
  realtime.send({ type: "response.create" });
  await heard.event("response.done", 3);
  const told = heard.of("response.output_audio_transcript.done").at(-1).transcript;

  realtime.send(userMessage("Tell me a story"));
  realtime.send({ type: "response.create" });
  await heard.until(() => heard.of("response.created").length === 5, "fifth answer");
  const before = heard.of("response.output_audio.delta").length;
  const delta = await heard.event("response.output_audio.delta", before);
  realtime.send({ type: "response.cancel", event_id: "stop" });
  const cancelled = await heard.event("response.done", 4);
  realtime.send({
    type: "conversation.item.truncate", item_id: delta.item_id, content_index: 0, audio_end_ms: 200,
  });
  const truncated = await heard.event("conversation.item.truncated");
  realtime.send({ type: "response.cancel", event_id: "late" });
  const late = await heard.until(
    () => heard.of("error").find((event) => event.error.event_id === "late"), "late refusal",
  );
  realtime.close();
  return {
    created: created.session.model,
    tools: updated.session.tools.map((tool) => tool.name),
    text,
    spoken,
    audio,
    called: { name: called.item.name, arguments: JSON.parse(called.item.arguments) },
    told,
    cancelled: cancelled.response.status,
    truncated: truncated.audio_end_ms,
    late: late.error.code,
    ours: heard.events.filter((event) => event.type.startsWith("nextvoice")).length,
  };
}

async function wrongKey() {
  const { heard } = connect("nv_wrong", MODEL);
  return (await heard.event("told")).message;
}

async function unknownModel() {
  const { heard } = connect(KEY, "gpt-nothing");
  const told = await heard.event("told");
  return { code: told.error.code, closed: (await heard.event("closed")).code };
}

await run(async () => ({
  conversation: await conversation(),
  wrongKey: await wrongKey(),
  unknownModel: await unknownModel(),
}));
