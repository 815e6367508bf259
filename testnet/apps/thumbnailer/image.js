// Pictures as { width, height, rgb }: three bytes a pixel, rows from the top. Reads PPM (P6, 8 bit) and BMP
// (uncompressed, 24 or 32 bit), writes BMP, shrinks by a box filter, draws a picture that costs fuel.
//
// Every decoder works within PIXELS_MAX and throws ImageRefused, with a text for the visitor, on anything else.
//
// The engine interprets: a pixel drawn or decoded costs about 12,000 fuel, shrunk 7,000, a step of `draw` 3,000. PIXELS_MAX
// and DRAW_STEPS_MAX keep every request under the 10,000,000,000 that a provider grants one by default.

export const PIXELS_MAX = 512 * 512;
export const SIDE_MAX = 4096;
export const THUMB_SIDE_MIN = 8;
export const THUMB_SIDE_MAX = 512;
/** Steps of `draw`, pixels times depth: bounds the fuel of one request. */
export const DRAW_STEPS_MAX = 2 * 1024 * 1024;

/** The visitor's picture or numbers cannot be used. */
export class ImageRefused extends Error {}

function sides(width, height) {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ImageRefused(`the picture is ${width} by ${height} pixels, both must be at least 1`);
  }
  if (width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX) {
    throw new ImageRefused(`the picture is ${width} by ${height}, the limit is ${PIXELS_MAX} pixels and ${SIDE_MAX} a side`);
  }
}

/** A picture from the bytes of a PPM or BMP file. */
export function decode(bytes) {
  if (bytes.length >= 2 && bytes[0] === 0x50 && bytes[1] === 0x36) return decodePpm(bytes);
  if (bytes.length >= 2 && bytes[0] === 0x42 && bytes[1] === 0x4d) return decodeBmp(bytes);
  throw new ImageRefused('the picture is neither PPM (P6) nor BMP');
}

function decodePpm(bytes) {
  let at = 2;
  const space = (byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
  const number = () => {
    for (;;) {
      if (at < bytes.length && space(bytes[at])) at += 1;
      else if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 0x0a) at += 1;
      else break;
    }
    const from = at;
    let value = 0;
    while (at < bytes.length && bytes[at] >= 0x30 && bytes[at] <= 0x39 && at - from < 6) {
      value = value * 10 + bytes[at] - 0x30;
      at += 1;
    }
    if (at === from) throw new ImageRefused('the PPM header is cut short or not a number');
    return value;
  };
  const width = number();
  const height = number();
  const depth = number();
  sides(width, height);
  if (depth !== 255) throw new ImageRefused(`the PPM has ${depth} as its largest value, only 255 is read`);
  if (!space(bytes[at])) throw new ImageRefused('the PPM header does not end in white space');
  const rgb = bytes.subarray(at + 1, at + 1 + width * height * 3);
  if (rgb.length !== width * height * 3) {
    throw new ImageRefused(`the PPM has ${rgb.length} bytes of pixels, ${width * height * 3} are needed`);
  }
  return { width, height, rgb };
}

function decodeBmp(bytes) {
  if (bytes.length < 54) throw new ImageRefused(`the BMP header has ${bytes.length} bytes, 54 are needed`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(10, true);
  const headerBytes = view.getUint32(14, true);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const height = Math.abs(signedHeight);
  sides(width, height);
  if (headerBytes < 40 || compression !== 0 || (bits !== 24 && bits !== 32)) {
    throw new ImageRefused('only uncompressed BMP with 24 or 32 bits a pixel is read');
  }
  const step = bits / 8;
  const rowBytes = Math.ceil((width * step) / 4) * 4;
  if (offset < 54 || offset + rowBytes * height > bytes.length) {
    throw new ImageRefused(`the BMP has ${bytes.length} bytes, ${offset + rowBytes * height} are needed`);
  }
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    // A positive height means rows from the bottom.
    let from = offset + rowBytes * (signedHeight > 0 ? height - 1 - y : y);
    let to = y * width * 3;
    for (let x = 0; x < width; x += 1) {
      rgb[to] = bytes[from + 2];
      rgb[to + 1] = bytes[from + 1];
      rgb[to + 2] = bytes[from];
      from += step;
      to += 3;
    }
  }
  return { width, height, rgb };
}

/** The picture as a 24-bit BMP file. */
export function encodeBmp({ width, height, rgb }) {
  const rowBytes = Math.ceil((width * 3) / 4) * 4;
  const bytes = new Uint8Array(54 + rowBytes * height);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x424d);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, width, true);
  view.setInt32(22, height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  view.setUint32(34, rowBytes * height, true);
  for (let y = 0; y < height; y += 1) {
    let from = y * width * 3;
    let to = 54 + rowBytes * (height - 1 - y);
    for (let x = 0; x < width; x += 1) {
      bytes[to] = rgb[from + 2];
      bytes[to + 1] = rgb[from + 1];
      bytes[to + 2] = rgb[from];
      from += 3;
      to += 3;
    }
  }
  return bytes;
}

/** The picture shrunk so that its longer side has `side` pixels; one that is smaller already is returned as it is. */
export function thumbnail(image, side) {
  if (!Number.isInteger(side) || side < THUMB_SIDE_MIN || side > THUMB_SIDE_MAX) {
    throw new ImageRefused(`size is ${side}, it must be a whole number from ${THUMB_SIDE_MIN} to ${THUMB_SIDE_MAX}`);
  }
  const longer = Math.max(image.width, image.height);
  if (longer <= side) return image;
  const width = Math.max(1, Math.round((image.width * side) / longer));
  const height = Math.max(1, Math.round((image.height * side) / longer));
  return boxFiltered(image, width, height);
}

// Each pixel is the mean of the source pixels whose box it covers, rounded half up.
function boxFiltered(image, width, height) {
  const source = image.rgb;
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    const top = Math.floor((y * image.height) / height);
    const bottom = Math.max(top + 1, Math.floor(((y + 1) * image.height) / height));
    for (let x = 0; x < width; x += 1) {
      const left = Math.floor((x * image.width) / width);
      const right = Math.max(left + 1, Math.floor(((x + 1) * image.width) / width));
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = top; row < bottom; row += 1) {
        let at = (row * image.width + left) * 3;
        for (let column = left; column < right; column += 1) {
          red += source[at];
          green += source[at + 1];
          blue += source[at + 2];
          at += 3;
        }
      }
      const count = (bottom - top) * (right - left);
      const to = (y * width + x) * 3;
      rgb[to] = Math.floor(red / count + 0.5);
      rgb[to + 1] = Math.floor(green / count + 0.5);
      rgb[to + 2] = Math.floor(blue / count + 0.5);
    }
  }
  return { width, height, rgb };
}

/** The Mandelbrot set, `depth` steps deep: the same numbers give the same picture and cost about the same fuel. */
export function draw(width, height, depth) {
  sides(width, height);
  if (!Number.isInteger(depth) || depth < 1 || width * height * depth > DRAW_STEPS_MAX) {
    throw new ImageRefused(`${width} x ${height} pixels x depth ${depth} is over the limit of ${DRAW_STEPS_MAX} steps`);
  }
  const rgb = new Uint8Array(width * height * 3);
  let to = 0;
  for (let row = 0; row < height; row += 1) {
    const ci = (2.5 * (row + 0.5)) / height - 1.25;
    for (let column = 0; column < width; column += 1) {
      const cr = (3.5 * (column + 0.5)) / width - 2.5;
      let zr = 0;
      let zi = 0;
      let rr = 0;
      let ii = 0;
      let steps = 0;
      while (steps < depth && rr + ii <= 4) {
        zi = 2 * zr * zi + ci;
        zr = rr - ii + cr;
        rr = zr * zr;
        ii = zi * zi;
        steps += 1;
      }
      const shade = steps === depth ? 0 : 255 - Math.floor((200 * steps) / depth);
      rgb[to] = shade;
      rgb[to + 1] = steps === depth ? 0 : Math.floor((255 * steps) / depth);
      rgb[to + 2] = 255 - shade;
      to += 3;
    }
  }
  return { width, height, rgb };
}
