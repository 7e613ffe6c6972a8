// The `openai` package as in a browser: a client secret, and the key as a subprotocol.

import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { WebSocket } from "ws";

import { BASE_URL, Heard, KEY, MODEL, run, userMessage } from "./talk.mjs";

// Older versions of Node have none; this one keeps to the same rules for subprotocols.
globalThis.WebSocket ??= WebSocket;

function connect(apiKey) {
  const client = new OpenAI({ baseURL: BASE_URL, apiKey });
  const realtime = new OpenAIRealtimeWebSocket({ model: MODEL }, client);
  const heard = new Heard();
  realtime.on("event", (event) => heard.add(event));
  realtime.on("error", (error) => heard.add({ type: "told", message: error.message, error: error.error }));
  realtime.socket.addEventListener("close", (event) => heard.add({ type: "closed", code: event.code }));
  return { realtime, heard };
}

await run(async () => {
  const server = new OpenAI({ baseURL: BASE_URL, apiKey: KEY });
  const secret = await server.realtime.clientSecrets.create({
    expires_after: { anchor: "created_at", seconds: 60 },
    session: { type: "realtime", model: MODEL, output_modalities: ["text"], instructions: "Be brief." },
  });
  const { realtime, heard } = connect(secret.value);
  const created = await heard.event("session.created");
  realtime.send(userMessage("What is two plus three?"));
  realtime.send({ type: "response.create" });
  await heard.event("response.done");
  const text = heard.of("response.output_text.done").map((event) => event.text).join("");
  const { protocol } = realtime.socket;
  realtime.close();

  const stranger = connect("ek_wrong");
  const told = await stranger.heard.event("told");
  const closed = await stranger.heard.event("closed");
  const models = [];
  for await (const model of server.models.list()) models.push(model.id);
  return {
    secret: secret.value.slice(0, 3),
    seconds: secret.expires_at - Math.floor(Date.now() / 1000) <= 60,
    protocol,
    instructions: created.session.instructions,
    text,
    stranger: { code: told.error.code, closed: closed.code },
    models,
  };
});
