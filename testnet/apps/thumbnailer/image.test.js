// Run with `node --test`. The component's own behaviour over HTTP is in `check`.

import assert from 'node:assert/strict';
import test from 'node:test';
import { DRAW_STEPS_MAX, ImageRefused, decode, draw, encodeBmp, thumbnail } from './image.js';
import { BODY_BYTES_MAX, reply } from './route.js';

const none = new Uint8Array(0);
const ppm = (header, pixels) => new Uint8Array([...new TextEncoder().encode(header), ...pixels]);

test('a picture survives BMP and PPM', () => {
  for (const [width, height] of [[1, 1], [3, 2], [5, 7]]) {
    const image = draw(width, height, 9);
    assert.deepEqual(decode(encodeBmp(image)), image);
    const { rgb } = decode(ppm(`P6 # note\n${width} ${height}\n255\n`, image.rgb));
    assert.deepEqual([...rgb], [...image.rgb]);
  }
});

test('a top-down BMP of 32 bits is read', () => {
  const bytes = new Uint8Array(54 + 2 * 2 * 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x424d);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, 2, true);
  view.setInt32(22, -2, true);
  view.setUint16(28, 32, true);
  bytes.set([3, 2, 1, 0, 6, 5, 4, 0, 9, 8, 7, 0, 12, 11, 10, 0], 54);
  assert.deepEqual([...decode(bytes).rgb], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test('the box filter is the mean of the box', () => {
  const grey = (values) => Uint8Array.from(values.flatMap((value) => [value, value, value]));
  const image = { width: 32, height: 16, rgb: grey(Array.from({ length: 512 }, (_, at) => (at % 2 === 0 ? 10 : 20))) };
  const small = thumbnail(image, 16);
  assert.deepEqual([small.width, small.height, new Set(small.rgb).size, small.rgb[0]], [16, 8, 1, 15]);
  assert.equal(thumbnail(image, 64), image, 'never enlarged');
  const line = thumbnail({ width: 1024, height: 1, rgb: new Uint8Array(3072) }, 8);
  assert.deepEqual([line.width, line.height], [8, 1]);
});

test('bad pictures are refused by name', () => {
  const bmp = encodeBmp(draw(4, 4, 2));
  const bent = (at, value) => Uint8Array.from(bmp, (byte, index) => (index === at ? value : byte));
  const cases = [
    none, Uint8Array.of(0x42), bmp.subarray(0, 53), bmp.subarray(0, bmp.length - 1),
    bent(28, 8), bent(30, 1), bent(14, 12), bent(10, 0), bent(18, 0), bent(21, 0x7f), bent(25, 0x80),
    ppm('P6', []), ppm('P6 2 2', []), ppm('P6 2 2 255\n', [1, 2]), ppm('P6 2 2 65535\n', new Array(24).fill(0)),
    ppm('P6 9999999 1 255\n', []), ppm('P6 4096 4096 255\n', []), ppm('P6 0 1 255\n', []), ppm('P5 1 1 255\n', [0]),
    ppm('P6 -1 1 255\n', [0]), ppm(`P6 ${'#'.repeat(100)}`, []),
  ];
  for (const bytes of cases) assert.throws(() => decode(bytes), ImageRefused, `${[...bytes.subarray(0, 40)]}`);
  assert.throws(() => draw(512, 512, 9), ImageRefused);
  assert.throws(() => draw(512, 513, 1), ImageRefused);
  assert.throws(() => draw(1, 1, 0), ImageRefused);
  assert.throws(() => thumbnail(draw(2, 2, 2), 7), ImageRefused);
  assert.ok(512 * 512 * 8 === DRAW_STEPS_MAX);
});

test('requests are routed', () => {
  const status = (method, target, body = none) => reply(method, target, body).status;
  assert.equal(status('GET', '/'), 200);
  assert.equal(status('GET', '/healthz?x=1'), 200);
  assert.equal(status('GET', '/other'), 404);
  assert.equal(status('PUT', '/'), 405);
  assert.equal(status('POST', '/healthz'), 405);
  assert.equal(status('POST', '/', new Uint8Array(BODY_BYTES_MAX + 1)), 413);
  for (const query of ['w=x', 'w=1e3', 'w=-1', 'w=0', 'w=99999999', 'w=512&h=512&depth=9', 'w=8&h=8&size=4']) {
    assert.equal(status('GET', `/?${query}`), 400, query);
  }
  const drawn = reply('GET', '/?w=64&h=32&size=16', none);
  const { width, height } = decode(drawn.body);
  assert.deepEqual([drawn.status, width, height], [200, 16, 8]);
  assert.equal(decode(reply('GET', '/?w=64&full=1', none).body).height, 240);
  const posted = reply('POST', '/?size=8', encodeBmp(draw(40, 20, 4)));
  assert.deepEqual([posted.status, decode(posted.body).width], [200, 8]);
});
