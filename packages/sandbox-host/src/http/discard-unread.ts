import { finished, PassThrough, type Readable } from 'node:stream';

/**
 * Lets `use` read a stream. What it leaves unread, because it failed, is read and thrown away instead of ending the
 * stream: the form it is part of goes on, and the sender gets the reason. Most clients send all before they listen.
 */
export async function discardUnread<T>(source: Readable, use: (reader: Readable) => Promise<T>): Promise<T> {
  const reader = new PassThrough();
  // Who reads it hears of errors; when nobody does any more, they are nobody's.
  reader.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    finished(source, (error) => {
      if (error) reader.destroy(error);
      resolve();
    });
  });
  source.pipe(reader);
  try {
    return await use(reader);
  } finally {
    source.unpipe(reader);
    reader.destroy();
    source.resume();
    await ended;
  }
}
