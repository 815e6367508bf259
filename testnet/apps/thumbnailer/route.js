// A request in, an answer out; no HTTP library. app.js carries it to the host.
//
//   GET  /                        the page
//   GET  /?w=..&h=..[&depth=..]   draws a w by h picture and answers its thumbnail; &full=1 the picture itself
//   POST /[?size=..]              a PPM or BMP file in the body: answers its thumbnail
//   GET  /healthz                 ok

import { DRAW_STEPS_MAX, ImageRefused, PIXELS_MAX, decode, draw, encodeBmp, thumbnail } from './image.js';

/** A 32-bit BMP of PIXELS_MAX pixels and its headers. */
export const BODY_BYTES_MAX = PIXELS_MAX * 4 + 256;

const SIZE = 128;
const DEPTH = 24;

const PAGE = `<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Thumbnailer</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#222}
img{image-rendering:pixelated;border:1px solid #ccc}input{font:inherit;width:6rem}</style>
<h1>Thumbnailer</h1>
<p>Draws a picture, shrinks it by a box filter, and burns fuel doing so.</p>
<p><img src="/?w=320&amp;h=240" alt="a thumbnail of the Mandelbrot set"></p>
<form><label>Width <input name=w value=320></label> <label>Height <input name=h value=240></label>
<label>Depth <input name=depth value=${DEPTH}></label> <label>Size <input name=size value=${SIZE}></label>
<button>Draw</button></form>
<p>Width times height times depth is at most ${DRAW_STEPS_MAX}. Your own picture, PPM or BMP of at most ${PIXELS_MAX} pixels:</p>
<pre>curl --data-binary @picture.bmp -o thumbnail.bmp 'http://THIS-HOST/?size=${SIZE}'</pre>
</html>
`;

function text(status, message, extra = []) {
  return { status, headers: [['content-type', 'text/plain; charset=utf-8'], ...extra], body: new TextEncoder().encode(`${message}\n`) };
}

function picture(from, image) {
  const headers = [
    ['content-type', 'image/bmp'],
    ['x-picture', `${from.width}x${from.height}`],
    ['x-thumbnail', `${image.width}x${image.height}`],
  ];
  return { status: 200, headers, body: encodeBmp(image) };
}

// Plain `k=v` pairs: the values are numbers, so nothing in them needs decoding.
function parameters(query) {
  return new Map(query.split('&').slice(0, 16).map((pair) => pair.split('=', 2)));
}

function number(values, name, fallback) {
  const value = values.get(name);
  if (value === undefined || value === '') return fallback;
  if (!/^[0-9]{1,7}$/.test(value)) throw new ImageRefused(`${name} must be a whole number`);
  return Number(value);
}

/** Answers a request; `body` has at most one byte more than BODY_BYTES_MAX. */
export function reply(method, target, body) {
  const split = target.indexOf('?');
  const path = split < 0 ? target : target.slice(0, split);
  const values = parameters(split < 0 ? '' : target.slice(split + 1));
  const isRead = method === 'GET' || method === 'HEAD';
  if (path === '/healthz') return isRead ? text(200, 'ok') : text(405, 'use GET or HEAD', [['allow', 'GET, HEAD']]);
  if (path !== '/') return text(404, 'no such page: try / or /healthz');
  if (!isRead && method !== 'POST') return text(405, 'use GET, HEAD or POST', [['allow', 'GET, HEAD, POST']]);
  if (body.length > BODY_BYTES_MAX) return text(413, `the picture is larger than ${BODY_BYTES_MAX} bytes`);
  try {
    const size = number(values, 'size', SIZE);
    if (method === 'POST') {
      const image = decode(body);
      return picture(image, thumbnail(image, size));
    }
    if (!values.has('w') && !values.has('h')) {
      return { status: 200, headers: [['content-type', 'text/html; charset=utf-8']], body: new TextEncoder().encode(PAGE) };
    }
    const image = draw(number(values, 'w', 320), number(values, 'h', 240), number(values, 'depth', DEPTH));
    return picture(image, values.get('full') === '1' ? image : thumbnail(image, size));
  } catch (error) {
    if (error instanceof ImageRefused) return text(400, error.message);
    throw error;
  }
}
