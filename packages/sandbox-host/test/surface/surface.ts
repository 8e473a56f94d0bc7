import type * as e2b from 'e2b';
import type { HostFixture } from '../with-host.js';

/** What each part of the surface suite works with. */
export interface Surface {
  readonly fixture: HostFixture;
  /** The SDK, its calls noted. */
  readonly sdk: typeof e2b;
}
