import apache from './proxies/apache.mjs';
import caddy from './proxies/caddy.mjs';
import haproxy from './proxies/haproxy.mjs';
import lighttpd from './proxies/lighttpd.mjs';
import nginx from './proxies/nginx.mjs';
import squid from './proxies/squid.mjs';
import trafficServer from './proxies/traffic-server.mjs';
import varnish from './proxies/varnish.mjs';

/**
 * @typedef {object} Line - A line that can be left out.
 * @property {string} text
 * @property {string} cost - What it costs without, for the page.
 * @property {string} [name] - What it is called, where that is not its text.
 * @property {string} [instead] - What stands in its place when it is left out.
 * @property {number} [defaultSeconds] - How long the proxy waits without it.
 *
 * @typedef {object} Proxy
 * @property {string} title
 * @property {string} package - Debian's.
 * @property {string} place - Where the configuration belongs.
 * @property {(where: { port: number, upstream: string, idleSeconds: number }) => (string | Line)[]} config
 * @property {(at: { folder: string, port: number, config: string }) => Promise<string[]>} start - Writes the configuration and
 *   what the distribution's own has besides, and gives the command that runs it in the foreground.
 */

/** @type {Record<string, Proxy>} */
export const proxies = {
  nginx,
  apache,
  haproxy,
  lighttpd,
  varnish,
  squid,
  caddy,
  'traffic-server': trafficServer,
};

/** The text of a configuration, or of what is left of it without one line. */
export function lines(config, without) {
  return config
    .map((line) =>
      typeof line === 'string' ? line : nameOf(line) === without?.name ? line.instead : line.text,
    )
    .filter((text) => text !== undefined)
    .join('\n');
}

/** The lines of a proxy's configuration that can be left out. */
export function optional(name) {
  return asOnThePage(name)
    .filter((line) => typeof line !== 'string')
    .map((line) => ({ ...line, name: nameOf(line) }));
}

/** A proxy's section of docs/behind-a-proxy.md. */
export function asPrinted(name) {
  const { title, place } = proxies[name];
  const costs = optional(name).map((line) => `| \`${line.name}\` | ${line.cost} |`);
  const table = ['| Without | |', '| --- | --- |', ...costs].join('\n');
  return `## ${title}\n\n${place}:\n\n\`\`\`\n${lines(asOnThePage(name))}\n\`\`\`\n\n${table}`;
}

function asOnThePage(name) {
  return proxies[name].config({ port: 80, upstream: '127.0.0.1:3000', idleSeconds: 3600 });
}

// The value differs between the page and a trial, the option's name does not.
function nameOf({ name, text }) {
  const [first] = text.trim().split('\n');
  return name ?? first.replace(/( =)? [\d.]+( seconds|s)?;?$/, '').replace(/;$/, '');
}
