/** Prints `N passed, N failed` as the last line of a test run. A file that cannot be loaded is a failure. */
export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        // A skipped peer is a defect, not a pass.
        else failed += 1;
      }
    }
    // Behind what the other reporters print.
    process.once('exit', () => process.stdout.write(`\n${passed} passed, ${failed} failed\n`));
    if (failed > 0) process.exitCode = 1;
  }
}
