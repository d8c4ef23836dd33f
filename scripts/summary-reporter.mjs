/**
 * Ends the output of a test run with the failures, one `FAILED project file > test: reason` per line, the tests that
 * passed only when repeated, as `FLAKY …`, and `N passed, N failed` as the last line. A file that cannot be loaded and
 * a skipped test are failures, except for tests that `--testNamePattern` (`-t`) leaves out.
 */
export default class SummaryReporter {
  #isFiltered = false;

  onInit(vitest) {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    const failures = unhandledErrors.map((error) => `outside of any test: ${oneLine(error)}`);
    const flaky = [];
    for (const module of modules) {
      const file = `${module.project.name} ${module.relativeModuleId}`;
      failures.push(...module.errors().map((error) => `${file}: ${oneLine(error)}`));
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        if (state === 'skipped' && this.#isFiltered) continue;
        const line = `${file} > ${test.fullName}: ${errors.map(oneLine).join('; ') || state}`;
        if (state === 'passed') passed += 1;
        else failures.push(line);
        if (test.diagnostic()?.flaky === true) flaky.push(line);
      }
    }
    // Printed after the output of the other reporters.
    process.once('exit', () =>
      process.stdout.write(
        `\n${flaky.map((test) => `FLAKY ${test}\n`).join('')}${failures.map((failure) => `FAILED ${failure}\n`).join('')}${passed} passed, ${failures.length} failed\n`,
      ),
    );
    if (failures.length > 0) process.exitCode = 1;
  }
}

function oneLine({ message = '' }) {
  return message.replaceAll(/\s+/g, ' ').slice(0, 400);
}
