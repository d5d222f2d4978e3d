// A server on loopback that writes down what it is sent, and answers the nth request with the nth case's output or error.
import { createServer } from "node:http";
import { model } from "./peers.mjs";

/** The members of a reply that travel in its body. */
function bodyOf(operation, output) {
  const members = model.shapes[model.operations[operation].output.shape].members;
  return Object.fromEntries(Object.entries(output).filter(([name]) => members[name].location === undefined));
}

/** Runs `send` with the server's URL; what came, in order: {method, target, headers, body}. Headers are pairs as they came. */
export async function record(cases, send) {
  const requests = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", part => parts.push(part));
    request.on("end", () => {
      const { operation, output, status, error } = cases[requests.length] ?? {};
      const pairs = [];
      for (let i = 0; i < request.rawHeaders.length; i += 2) pairs.push(request.rawHeaders.slice(i, i + 2));
      requests.push({ method: request.method, target: request.url, headers: pairs, body: Buffer.concat(parts).toString() });
      const body = error ? error.body : operation ? bodyOf(operation, output) : { Message: "there is no case for this request" };
      response.writeHead(operation ? status : 400,
        { "Content-Type": "application/json", "x-amzn-RequestId": `r-${requests.length}`, ...error?.headers });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
  try {
    const replies = await send(`http://127.0.0.1:${server.address().port}`);
    return { requests, replies };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
