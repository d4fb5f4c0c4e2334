//! What expressions can say, by examples that a test evaluates.

/// A way to write an expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// What it is for.
    pub(super) says: &'static str,
    pub(super) example: &'static str,
    /// What the example gives, as Python shows it.
    pub(super) gives: &'static str,
}

const fn way(says: &'static str, example: &'static str, gives: &'static str) -> Way {
    Way {
        says,
        example,
        gives,
    }
}

/// Values and operators.
pub(super) const WAYS: &[Way] = &[
    way("whole numbers, 64 bits wide", "1_000 + 0", "1000"),
    way("other numbers", "1.5e3", "1500.0"),
    way("text, in quotes of its own", "'a' + \"b\"", "'ab'"),
    way(
        "truth and nothing",
        "[True, False, None]",
        "[True, False, None]",
    ),
    way("lists", "[1, 'a'] + [2.5]", "[1, 'a', 2.5]"),
    way("tuples", "(1, 2)", "(1, 2)"),
    way("elements, from the end too", "[1, 2, 3][-1]", "3"),
    way("arithmetic", "2 + 3 * 4 - 1", "13"),
    way("true division", "36 / 10", "3.6"),
    way("whole division and its rest", "(7 // 2, 7 % 2)", "(3, 1)"),
    way("repetition", "'ab' * 2", "'abab'"),
    way("comparisons, in chains", "1 < 2 <= 2 != 3", "True"),
    way("membership", "2 in [1, 2]", "True"),
    way("logic", "not 0 and (1 or 2)", "1"),
    way(
        "formatting",
        "'%s has %d, %.2f' % ('x', 3, 0.5)",
        "'x has 3, 0.50'",
    ),
];

/// The functions.
pub(super) const FUNCTIONS: &[Way] = &[
    way("the length of a text or a list", "len('abc')", "3"),
    way("a list of the elements", "list('ab')", "['a', 'b']"),
    way(
        "a list of numbers: to, from and to, with a step",
        "range(0, 6, 2)",
        "[0, 2, 4]",
    ),
    way("the text of a value", "str(1.0)", "'1.0'"),
];

/// What can stand in the braces of a text.
pub(super) const BRACES: &[Way] = &[
    way(
        "a value, as Python's `print` shows it",
        "{[1, 'a']} and {1 / 2}",
        "[1, 'a'] and 0.5",
    ),
    way("in a format", "{1 / 3:.2f}", "0.33"),
    way("a brace", "{{x}}", "{x}"),
];
