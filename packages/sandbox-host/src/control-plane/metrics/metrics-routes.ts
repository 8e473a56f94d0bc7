import type { HostMetrics } from '../../metrics/host-metrics.js';
import { type Route, route } from '../route.js';

/** The part of the control plane that shows what is measured. @param open - Whether it needs no API key. */
export function metricsRoutes(metrics: HostMetrics, open: boolean): Route[] {
  return [
    route({
      method: 'get',
      path: '/metrics',
      summary: "Read the host's metrics, as Prometheus text",
      ...(open ? { open: 'anybody' } : {}),
      responses: { 200: 'text/plain' },
      handle: async () => {
        const { contentType, text } = await metrics.render();
        return { content: text, headers: { 'content-type': contentType } };
      },
    }),
  ];
}
