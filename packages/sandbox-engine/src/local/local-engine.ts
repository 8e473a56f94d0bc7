import { requireDescriptors } from '../descriptors.js';
import type { Engine, EngineSandbox } from '../engine.js';
import type { Remove } from './files/trash.js';

/** An engine that runs sandboxes as processes of this machine. */
export interface LocalEngine extends Engine {
  /** Removes a file or a directory of the data directory, whatever is in it; what it cannot is reported and tried again. */
  remove: Remove;
  /** Removes what is left on the machine; sandboxes must have been destroyed. */
  close(): Promise<void>;
}

/** The sandboxes that an engine has started or adopted. */
export class OwnSandboxes {
  readonly ids: Set<string> = new Set();

  /** @param onDestroyed - Called when the sandbox has been destroyed. */
  add(id: string, sandbox: EngineSandbox, onDestroyed: () => void = () => {}): EngineSandbox {
    this.ids.add(id);
    return {
      ...sandbox,
      exec: async (command) => {
        requireDescriptors();
        return sandbox.exec(command);
      },
      destroy: async (options) => {
        await sandbox.destroy(options);
        this.ids.delete(id);
        onDestroyed();
      },
    };
  }
}
