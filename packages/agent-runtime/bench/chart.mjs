const barHeight = 22;
const labelWidth = 230;
const width = 760;

/** Processor times as horizontal bars, one group a scenario, as SVG. */
export function barChart(results, caption) {
  const groups = results.map(({ name, unit, servers }) => ({
    title: `${name}: processor time per ${unit}, µs (× ${servers[0]?.name})`,
    bars: servers.map((server) => ({
      name: server.name,
      value: server.cpuMicros,
      label: `${server.cpuMicros} (${server.ratio} ×)`,
      highlighted: server.name.startsWith('@sandpiper'),
    })),
  }));
  return drawBars(groups, caption);
}

/** Groups of horizontal bars, each group on a scale of its own, as SVG. */
export function drawBars(groups, caption) {
  const parts = [];
  let y = 30;
  for (const { title, bars } of groups) {
    parts.push(text(10, y, title, 'font-weight="bold"'));
    y += 12;
    const longest = Math.max(...bars.map(({ value }) => value));
    for (const { name, value, label, highlighted } of bars) {
      const length = ((width - labelWidth - 130) * value) / longest;
      const fill = highlighted ? '#0a7d5a' : '#9aa5b1';
      parts.push(text(labelWidth - 8, y + 15, name, 'text-anchor="end"'));
      parts.push(
        `<rect x="${labelWidth}" y="${y + 3}" width="${length.toFixed(1)}" height="${barHeight - 6}" fill="${fill}"/>`,
      );
      parts.push(text(labelWidth + length + 8, y + 15, label));
      y += barHeight;
    }
    y += 28;
  }
  parts.push(text(10, y, caption, 'fill="#57606a"'));
  const style = 'font-family="system-ui, sans-serif" font-size="13"';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 20}" ${style}><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`;
}

function text(x, y, content, attributes = '') {
  return `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
}
