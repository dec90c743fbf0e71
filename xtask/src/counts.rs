//! Reads from the output of test runners how many tests passed.

use std::ops::AddAssign;

/// How many tests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) const PASSED: Counts = Counts {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    pub(crate) const FAILED: Counts = Counts {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    pub(crate) const SKIPPED: Counts = Counts {
        passed: 0,
        failed: 0,
        skipped: 1,
    };

    fn is_empty(self) -> bool {
        self == Counts::default()
    }

    /// Adds a failure where the counts alone would hide one: a runner that failed without a failed
    /// test (it did not compile, or it was killed), and a runner that ran no test at all.
    pub(crate) fn judged(self, success: bool) -> Counts {
        if (!success && self.failed == 0) || self.is_empty() {
            return Counts { failed: 1, ..self };
        }
        self
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Sums lines such as `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered
/// out`. Cargo prints one for each test program, and wasm-bindgen's runner one for each module.
pub(crate) fn of_cargo(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output
        .lines()
        .filter_map(|line| line.trim().strip_prefix("test result:"))
    {
        let number = |word: &str| {
            line.split(['.', ';'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
                .unwrap_or(0)
        };
        counts += Counts {
            passed: number("passed"),
            failed: number("failed"),
            skipped: number("ignored"),
        };
    }
    counts
}

/// Reads the totals that Node's test runner prints in TAP: `# pass 3`, `# fail 0`, `# cancelled 0`,
/// `# skipped 0`, `# todo 0`.
pub(crate) fn of_node(tap: &str) -> Counts {
    let number = |word: &str| {
        let mut totals = tap.lines().filter_map(|line| {
            line.strip_prefix("# ")?
                .strip_prefix(word)?
                .trim()
                .parse::<u64>()
                .ok()
        });
        // A test may print a line that looks like a total. The runner's own totals come last.
        totals.next_back().unwrap_or(0)
    };
    Counts {
        passed: number("pass "),
        failed: number("fail ") + number("cancelled "),
        skipped: number("skipped ") + number("todo "),
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, of_cargo, of_node};

    #[test]
    fn the_results_of_all_of_cargos_test_programs_are_summed() {
        let output = "running 3 tests\ntest a ... ok\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 1.50s\n";
        assert_eq!(
            of_cargo(output),
            Counts {
                passed: 13,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn the_results_of_the_wasm_runner_are_read_as_cargos_are() {
        let output =
            "    test result: ok. 7 passed; 0 failed; 0 ignored; 0 filtered out; finished in 0.33s";
        assert_eq!(
            of_cargo(output),
            Counts {
                passed: 7,
                failed: 0,
                skipped: 0
            }
        );
    }

    #[test]
    fn cancelled_node_tests_count_as_failed_and_todos_as_skipped() {
        let tap = "# Subtest: x\nok 1 - x\n# pass 99\n1..9\n# tests 9\n# pass 4\n# fail 1\n# cancelled 1\n# skipped 2\n# todo 1\n";
        assert_eq!(
            of_node(tap),
            Counts {
                passed: 4,
                failed: 2,
                skipped: 3
            }
        );
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_test_or_runs_no_test_counts_as_failed() {
        assert_eq!(Counts::default().judged(false).failed, 1);
        assert_eq!(Counts::default().judged(true).failed, 1);
        let all_good = Counts {
            passed: 5,
            failed: 0,
            skipped: 0,
        };
        assert_eq!(
            all_good.judged(false),
            Counts {
                failed: 1,
                ..all_good
            }
        );
        assert_eq!(all_good.judged(true), all_good);
    }
}
