/**
 * A reporter for vitest that says at the end which tests were skipped: their titles, or the notes they skipped
 * themselves with, say why. Where a whole suite was skipped it is named once.
 *
 * @implements {import('vitest/reporters').Reporter}
 */
export default class SkippedTests {
  /** @param {ReadonlyArray<import('vitest/node').TestModule>} modules */
  onTestRunEnd(modules) {
    const lines = modules.flatMap((module) =>
      skippedIn(module).map((what) => `  ${module.relativeModuleId}: ${what}`),
    );
    if (lines.length > 0) console.log(`\nSkipped:\n${lines.join('\n')}`);
  }
}

/** @param {import('vitest/node').TestModule | import('vitest/node').TestSuite} parent */
function skippedIn({ children }) {
  return [...children].flatMap((child) => {
    if (child.type === 'suite') return child.options.mode === 'skip' ? [child.fullName] : skippedIn(child);
    const result = child.result();
    if (result.state !== 'skipped') return [];
    return [result.note ? `${child.fullName} (skipped: ${result.note})` : child.fullName];
  });
}
