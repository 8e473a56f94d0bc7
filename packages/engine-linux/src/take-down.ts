import type { Logger } from '@sandpiper/sandbox-engine/logger';
/**
 * Takes down what a sandbox had beside its processes, which have ended. A step that fails is reported and keeps none of
 * the others from being done: what it leaves holds nothing, and is found again when a host starts or ends.
 */
export async function takeDown(
  id: string,
  steps: Record<string, () => Promise<unknown> | undefined>,
  logger: Logger,
): Promise<void> {
  for (const [what, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (error) {
      logger.error({ err: error }, `The ${what} of sandbox ${id} could not be taken down`);
    }
  }
}
