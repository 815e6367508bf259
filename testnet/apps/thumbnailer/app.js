// An image thumbnailer: the demo app that burns fuel. One `wasi:http/proxy` component, in JavaScript.
//
// Keeps nothing between requests. Body, pixels and drawing steps are bounded (route.js, image.js), so a request costs
// less than the fuel a provider grants it by default.

import { Fields, IncomingBody, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.12';
import { BODY_BYTES_MAX, reply } from './route.js';

const READ_BYTES = 65536n;

export const incomingHandler = {
  handle(request, responseOut) {
    const method = request.method();
    const name = method.tag === 'other' ? method.val : method.tag.toUpperCase();
    const { status, headers, body } = reply(name, request.pathWithQuery() ?? '/', name === 'POST' ? bodyOf(request) : new Uint8Array(0));

    const all = [...headers, ['cache-control', 'no-store'], ['x-content-type-options', 'nosniff'],
      ['content-security-policy', "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'"]];
    const encoder = new TextEncoder();
    const response = new OutgoingResponse(Fields.fromList(all.map(([key, value]) => [key, encoder.encode(value)])));
    response.setStatusCode(status);
    const outgoing = response.body();
    // The head first: a host may not read the body before it has it.
    ResponseOutparam.set(responseOut, { tag: 'ok', val: response });
    if (name !== 'HEAD') write(outgoing, body);
    OutgoingBody.finish(outgoing, undefined);
  },
};

// The body up to one byte over the limit, which tells the router that there was more.
function bodyOf(request) {
  const incoming = request.consume();
  const stream = incoming.stream();
  const chunks = [];
  let length = 0;
  try {
    while (length <= BODY_BYTES_MAX) {
      const chunk = stream.blockingRead(READ_BYTES);
      chunks.push(chunk);
      length += chunk.length;
    }
  } catch (error) {
    // The end of the body arrives as an error, like a visitor who hangs up; only the first is one to go on from.
    if (error?.payload?.tag !== 'closed') throw error;
  }
  stream[Symbol.dispose]();
  IncomingBody.finish(incoming)[Symbol.dispose]();
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.subarray(0, BODY_BYTES_MAX + 1);
}

function write(outgoing, bytes) {
  const stream = outgoing.write();
  const ready = stream.subscribe();
  let at = 0;
  while (at < bytes.length) {
    const free = Number(stream.checkWrite());
    if (free === 0) {
      ready.block();
      continue;
    }
    stream.write(bytes.subarray(at, at + free));
    at += Math.min(free, bytes.length - at);
  }
  stream.blockingFlush();
  ready[Symbol.dispose]();
  stream[Symbol.dispose]();
}
