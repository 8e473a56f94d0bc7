import { rename } from 'node:fs/promises';
import type { Remove } from './files/trash.js';

const unfinished = '.part';

/** Makes a new layer from what a sandbox has changed. What is left of one that failed, or whose host ended, can be told. */
export async function makeLayer(
  { id, layerPath, remove }: { id: string; layerPath: (layer: string) => string; remove: Remove },
  copy: (to: string) => Promise<void>,
): Promise<string> {
  const layer = `${id}-${Date.now().toString(36)}`;
  const part = layerPath(layer + unfinished);
  try {
    await copy(part);
    await rename(part, layerPath(layer));
    return layer;
  } catch (error) {
    await remove(part);
    throw error;
  }
}

export function isUnfinishedLayer(layer: string): boolean {
  return layer.endsWith(unfinished);
}
