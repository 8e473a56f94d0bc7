/** Answers each message with this process's processor time so far and its highest memory since the last message. */
export function reportUsage() {
  let peakBytes = 0;
  const sample = () => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  };
  setInterval(sample, 10).unref();
  process.on('message', () => {
    sample();
    const { user, system } = process.cpuUsage();
    process.send({ cpuMs: (user + system) / 1000, peakBytes, rssBytes: process.memoryUsage.rss() });
    peakBytes = 0;
  });
}
