import { Counter, Gauge, type Registry } from 'prom-client';

/** Measures what the host itself uses. */
export function measureProcess(registry: Registry): void {
  const registers = [registry];
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time the host itself has used.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory the host itself uses.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
}
