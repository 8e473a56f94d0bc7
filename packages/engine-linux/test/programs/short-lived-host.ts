import { beShortLivedHost } from '@sandpiper/sandbox-engine/conformance/short-lived-host';
import { startKeeping } from '../start.js';

await beShortLivedHost(startKeeping);
