/** What is tried. */
export const checks = {
  late: 'events late by',
  silent: 'a call that is silent for longer than the proxy waits',
  cut: 'a stream during which the proxy is killed and started again',
  left: 'leaving a stream is seen after',
  leftWithKey: 'with a key (kept for 10 s more)',
  cancelled: 'with agent-client',
  command: 'a silent command of envd',
  files: 'a file of 5 MB up and down',
  webSocket: 'WebSocket',
  caches: 'nothing is answered from a cache',
  head: 'a response head of 6 kB',
  path: '`%2F` in a path',
  authorization: '`Authorization` for the agent',
  remove: '`DELETE` from another address',
  plain: 'a silent call of another caller',
  silentStream: 'a silent stream without heartbeats',
  silentSocket: 'a silent WebSocket',
  spread: 'uploads are',
  broken: 'an agent that dies in mid-stream looks like',
};

/** What the proxy's timeouts decide. */
export const timed = ['plain', 'silentStream', 'silentSocket'];
/** These say how a proxy is, and never fail. */
export const remarks = [...timed, 'spread', 'broken'];
