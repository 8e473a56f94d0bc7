// One server under test, in a process of its own: says its port, then its processor time and its resident size whenever it is asked.
const { start } = await import(process.argv[2]);
const port = await start();
process.on('SIGINT', () => process.exit());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() });
});
process.send({ port });
