// What failed, in a few lines at the very end: a log that was cut off still says why.
import type { FullConfig, FullResult, Reporter, Suite, TestCase, TestResult } from "@playwright/test/reporter";

const MOST_ERRORS = 3;
const MOST_CHARACTERS = 600;

export default class Digest implements Reporter {
  #suite: Suite | undefined;

  onBegin(_config: FullConfig, suite: Suite): void {
    this.#suite = suite;
  }

  printsToStdio(): boolean {
    return true;
  }

  onEnd(_result: FullResult): void {
    for (const test of this.#suite?.allTests() ?? []) {
      if (test.outcome() === "unexpected") console.log(digest(test));
    }
  }
}

function digest(test: TestCase): string {
  const lines = test.results.flatMap((result: TestResult) => result.errors.slice(0, MOST_ERRORS).map(line));
  return [`${test.location.file.split("/").at(-1)}:${test.location.line} ${test.title}`, ...lines].join("\n");
}

/** An error without colours, in one line. */
function line(error: { message?: string; value?: string }): string {
  const text = error.message ?? error.value ?? "no message";
  const escape = String.fromCharCode(27);
  const plain = text.replaceAll(new RegExp(`${escape}\\[[0-9;]*m`, "g"), "").replaceAll(/\s+/g, " ");
  return `    ${plain.slice(0, MOST_CHARACTERS)}`;
}
