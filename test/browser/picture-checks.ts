import sharp from 'sharp';
import type { GearwayViewer } from '../../web/viewer/gearway-viewer.ts';
import type { ViewerPage } from './viewer-page.ts';

/** Levels by which a picture that went through a JPEG may differ on average. */
export const JPEG_MEAN = 3;

/** RGB of the shown picture. */
export async function viewerPixels(page: ViewerPage): Promise<{ sequence: number; rgb: Buffer }> {
  const { sequence, base64 } = await page.page.evaluate(async () => {
    const snapshot = (await document.querySelector<GearwayViewer>('gearway-viewer')!.snapshot())!;
    const bitmap = await createImageBitmap(snapshot.blob, { colorSpaceConversion: 'none' });
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    const rgb = Array.from(data).filter((_, at) => at % 4 !== 3);
    return { sequence: snapshot.sequence, base64: btoa(String.fromCharCode(...rgb)) };
  });
  return { sequence, rgb: Buffer.from(base64, 'base64') };
}

/** A picture's 8-bit RGB. */
export async function decoded(picture: Buffer): Promise<Buffer> {
  return sharp(picture).removeAlpha().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer();
}

/** Mean difference between two pictures of the same size. */
export function difference(shown: Buffer, expected: Buffer): { readonly mean: number; readonly most: number } {
  if (shown.length !== expected.length)
    throw new Error(`the picture has ${shown.length} samples, expected ${expected.length}`);
  const differences = expected.map((value, at) => Math.abs(value - shown[at]!));
  return {
    mean: differences.reduce((sum, value) => sum + value, 0) / differences.length,
    most: differences.reduce((most, value) => Math.max(most, value), 0),
  };
}

/** The first picture of an MJPEG response. */
export async function mjpegPicture(url: string, query = ''): Promise<Buffer> {
  const response = await fetch(`${url}streams/main/mjpeg?${query}`);
  let bytes = Buffer.alloc(0);
  for await (const chunk of response.body!) {
    bytes = Buffer.concat([bytes, chunk as Uint8Array]);
    const head = bytes.indexOf('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(bytes.toString('latin1', 0, Math.max(0, head)))?.[1] ?? NaN);
    if (bytes.length >= head + 4 + length) return bytes.subarray(head + 4, head + 4 + length);
  }
  throw new Error('the response has ended');
}
