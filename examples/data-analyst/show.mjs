const number = (value) => (typeof value === 'number' ? value.toFixed(1) : '');

/** Prints one finding of the agent, as it comes. */
export function show(finding) {
  switch (finding.type) {
    case 'dataset':
      console.log(`  ${finding.name}: ${finding.rows} rows, ${finding.columns} columns`);
      break;
    case 'column': {
      const { name, type, min, max, mean, distinct, missingPercent } = finding.column;
      const figures = mean === null ? `${min} … ${max}` : `${min} … ${max}, mean ${number(mean)}`;
      console.log(
        `    ${name.padEnd(14)} ${type.padEnd(8)} ${figures}; about ${distinct} values, ${missingPercent} % missing`,
      );
      break;
    }
    case 'sql':
      console.log(finding.sql.replace(/^/gm, '    │ '));
      break;
    case 'rows': {
      const highest = Math.max(...finding.rows.map((row) => Number(row.value)));
      for (const { label, value } of finding.rows) {
        const bar = '█'.repeat(Math.max(0, Math.round((Number(value) / highest) * 40)));
        console.log(`    ${String(label ?? '').padStart(8)} ${bar} ${value}`);
      }
      break;
    }
    case 'chart':
      console.log(`    a chart came along: ${finding.svg.length} characters of SVG`);
      break;
    case 'answer':
      console.log(`  ${finding.text}`);
  }
}
