//! What expressions compute, compared with what CPython prints for the same text.

use proptest::prelude::*;

use super::{Env, Expr, Template, Value};
use crate::case::span::Span;

const ARITHMETIC: &[(&str, &str)] = &[
    ("36/10", "3.6"),
    ("0/10", "0.0"),
    ("4/2", "2.0"),
    ("i // 2", "3"),
    ("-7 // 2", "-4"),
    ("-7 % 3", "2"),
    ("7 % -3", "-2"),
    ("-7.5 // 2", "-4.0"),
    ("-7.5 % 2", "0.5"),
    ("7.5 % -2", "-0.5"),
    ("5.0 // -0.1", "-50.0"),
    ("1 - 2 - 3", "-4"),
    ("2 + 3 * 4", "14"),
    ("(2 + 3) * 4", "20"),
    ("-i", "-7"),
    ("True + 1", "2"),
    ("1e16", "1e+16"),
    ("0.1 + 0.2", "0.30000000000000004"),
    (".5 + 1.", "1.5"),
    ("1_000", "1000"),
    ("'ab' * 2 + 'c'", "'ababc'"),
    ("[0] * 3", "[0, 0, 0]"),
    ("[1] + [2, 3]", "[1, 2, 3]"),
    ("(1,) + (2,)", "(1, 2)"),
    ("[] * -1", "[]"),
];

const LOGIC: &[(&str, &str)] = &[
    ("1 < 2 < 3", "True"),
    ("1 < 2 > 3", "False"),
    ("1 == 1.0", "True"),
    ("i in [1, 7]", "True"),
    ("i not in (1, 7)", "False"),
    ("'b' in 'abc'", "True"),
    ("None is None", "True"),
    ("i is not None", "True"),
    ("[1, 2] < [1, 3]", "True"),
    ("[1] < [1, 0]", "True"),
    ("'a' < 'b'", "True"),
    ("not i == 7", "False"),
    ("not not []", "False"),
    ("0 or 'x'", "'x'"),
    ("[] and 1", "[]"),
    ("1 and 2 or 3", "2"),
    (
        "False or undefined == 1",
        "error: `undefined` has no value here",
    ),
    ("True or undefined", "True"),
];

const FUNCTIONS: &[(&str, &str)] = &[
    ("range(3)", "[0, 1, 2]"),
    ("range(2, 5)", "[2, 3, 4]"),
    ("range(5, 0, -2)", "[5, 3, 1]"),
    ("range(3, 1)", "[]"),
    ("len(range(10))", "10"),
    ("len(s)", "2"),
    ("str(3.0) + str([1, 'a'])", "\"3.0[1, 'a']\""),
    ("list('ab')", "['a', 'b']"),
    ("l[0], l[-1], 'abc'[1]", "(3, 2, 'b')"),
    ("[[1, 2], [3]][0][1]", "2"),
    ("len(1)", "error: `len` cannot take int"),
];

const FORMATS: &[(&str, &str)] = &[
    ("'hello world %d' % i", "'hello world 7'"),
    ("'func_return: %s' % s", "'func_return: 堵塞'"),
    ("'%.2f|%d|%.0f' % (x, -i, i)", "'2.50|-7|7'"),
    ("'%s' % [1, 'a']", "\"[1, 'a']\""),
    ("'%s' % (1,)", "'1'"),
    ("'%d%%' % 5", "'5%'"),
    ("'%d' % 3.7", "'3'"),
    ("'%.1f' % 0.25", "'0.2'"),
    ("'%f' % 1", "'1.000000'"),
    ("'%s %s' % 1", "error: not enough values for the format"),
    (
        "'%s' % (1, 2)",
        "error: not all values are used by the format",
    ),
    (
        "'%5d' % 1",
        "error: unknown format `5d`: there are s, d, f and .2f",
    ),
    ("'%d' % 'a'", "error: `%d` cannot take str"),
    (
        "'100%' % ()",
        "error: the format ends after its `%`: write `%%` for a percent sign",
    ),
];

fn at(text: &str) -> Span {
    Span {
        start: 0,
        end: text.len(),
    }
}

fn env() -> Env {
    Env::new()
        .with("i", 7)
        .with("x", 2.5)
        .with("s", "堵塞")
        .with("l", vec![Value::Int(3), Value::Int(1), Value::Int(2)])
}

/// The `repr` of the value, or the error's message.
fn eval(text: &str) -> String {
    match Expr::parse(text, at(text)) {
        Err(error) => format!("syntax: {error}"),
        Ok(expr) => match expr.eval(&env()) {
            Ok(value) => value.repr(),
            Err(error) => format!("error: {error}"),
        },
    }
}

#[track_caller]
fn same(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(eval(text), *wanted, "{text}");
    }
}

#[test]
fn arithmetic_is_pythons() {
    same(ARITHMETIC);
}

#[test]
fn comparisons_and_logic_are_pythons() {
    same(LOGIC);
}

#[test]
fn functions_are_pythons() {
    same(FUNCTIONS);
}

#[test]
fn percent_formats_as_in_python() {
    same(FORMATS);
}

/// The tables above are right: the reference itself says so, where it is installed.
#[test]
fn the_reference_gives_the_same_values() {
    let rows: Vec<_> = [ARITHMETIC, LOGIC, FUNCTIONS, FORMATS].concat();
    let rows: Vec<_> = rows
        .iter()
        .filter(|row| !row.1.starts_with("error"))
        .collect();
    let mut program = "i, x, s, l = 7, 2.5, '堵塞', [3, 1, 2]\n".to_owned();
    program += "_range, range = range, lambda *a: list(_range(*a))\n";
    for (text, _) in &rows {
        program += &format!("print(ascii(repr(({text}))))\n");
    }
    let python = std::process::Command::new("python3")
        .args(["-Wignore", "-c", &program])
        .output();
    let Ok(output) = python else {
        eprintln!("no python3 here: nothing compared");
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.lines().count(), rows.len());
    for ((text, ours), theirs) in rows.iter().zip(printed.lines()) {
        let theirs = Expr::parse(theirs, at(theirs)).unwrap().constant();
        assert_eq!(theirs, Some(Value::from(*ours)), "{text}");
    }
}

#[test]
fn what_is_too_large_is_an_error() {
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let long = vec!["1"; 1000].join("+");
    let signs = format!("{}1", "-".repeat(1000));
    same(&[
        ("9223372036854775807 + 1", "error: the number is too large"),
        ("-9223372036854775807 - 2", "error: the number is too large"),
        (
            "(-9223372036854775807 - 1) // -1",
            "error: the number is too large",
        ),
        ("(-9223372036854775807 - 1) % -1", "0"),
        (
            "99999999999999999999",
            "syntax: `99999999999999999999` does not fit into 64 bits",
        ),
        (
            "range(1000000000)",
            "error: the range has 1000000000 elements, more than 1048576",
        ),
        (
            "'x' * 1000000000000",
            "error: the value is too large (more than 1048576 bytes or elements)",
        ),
        (
            "[[0] * 1000] * 10000",
            "error: the value is too large (more than 1048576 bytes or elements)",
        ),
        (
            "'%.99999999f' % 1",
            "error: 99999999 decimals are more than 1000",
        ),
        (&deep, "syntax: the expression is nested too deeply"),
        (&long, "syntax: the expression is nested too deeply"),
        (&signs, "syntax: the expression is nested too deeply"),
        ("1 / 0", "error: division by zero"),
        ("1 % 0", "error: division by zero"),
    ]);
}

#[test]
fn a_bad_expression_is_refused_with_its_place() {
    for (text, start, message) in [
        ("1 +", 3, "expected a value, found the end"),
        ("(1", 2, "expected `,` or `)`, found the end"),
        ("1 2", 2, "expected an operator or the end, found `2`"),
        ("i = 2", 2, "expected an operator or the end, found `=`"),
        ("lenn(1)", 0, "unknown function `lenn`"),
        ("len(1, 2)", 0, "`len` takes 1 argument, given 2"),
        ("'abc", 0, "the text is not closed by '"),
        ("a $ b", 2, "unexpected character `$`"),
        ("堵 $", 4, "unexpected character `$`"),
        ("true", 0, "`true` is not a name here"),
        ("'\\q'", 1, "unknown escape `\\q`"),
        ("1x", 0, "`1` is followed by a letter"),
        (
            "x.append(1)",
            1,
            "expected an operator or the end, found `.`",
        ),
        ("", 0, "expected a value, found the end"),
    ] {
        let error = Expr::parse(
            text,
            Span {
                start: 100,
                end: 100 + text.len(),
            },
        )
        .unwrap_err();
        assert_eq!(
            (error.span.start, error.message.as_str()),
            (100 + start, message),
            "{text}"
        );
    }
    let help = |text: &str| Expr::parse(text, at(text)).unwrap_err().help;
    assert_eq!(help("lenn(1)").as_deref(), Some("did you mean `len`?"));
    assert_eq!(help("i = 2").as_deref(), Some("compare with `==`"));
}

#[test]
fn a_part_that_fails_is_named_by_its_place() {
    let text = "1 + nothing * 2";
    let error = Expr::parse(text, at(text))
        .unwrap()
        .eval(&Env::new())
        .unwrap_err();
    assert_eq!(error.span, Span { start: 4, end: 11 });
}

#[test]
fn names_are_found_wherever_they_stand() {
    let text = "a + f[b] * len([c, (d, not e)]) < g";
    let expr = Expr::parse(text, at(text)).unwrap();
    let names: Vec<_> = expr.names().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "f", "b", "c", "d", "e", "g"]);
}

#[test]
fn templates_show_values_as_print_does() {
    for (text, wanted) in [
        ("{i}------>{x}", "7------>2.5"),
        ("msg:  {s}", "msg:  堵塞"),
        ("{l}", "[3, 1, 2]"),
        ("{{{i}}} }}{{", "{7} }{"),
        ("{x:.2f} {i:d} {'a}b'}", "2.50 7 a}b"),
        ("{i != 7} {l[0]}", "False 3"),
        ("{'%d:%d' % (i, i)}", "7:7"),
        ("{ i / 10 }", "0.7"),
        ("--------", "--------"),
        ("", ""),
    ] {
        let template = Template::parse(text, at(text)).unwrap();
        assert_eq!(template.render(&env()).unwrap(), wanted, "{text}");
    }
}

#[test]
fn a_bad_template_is_refused_with_its_place() {
    for (text, start, message) in [
        ("a {i", 2, "`{` is not closed"),
        ("a } b", 2, "`}` closes nothing"),
        ("{}", 1, "expected a value, found the end"),
        ("{i!s}", 2, "expected `}`, found `!`"),
        ("{i:q}", 3, "unknown format `q`: there are s, d, f and .2f"),
        ("{1 +}", 4, "expected a value, found the end"),
        ("{i j}", 3, "expected an operator or the end, found `j`"),
    ] {
        let error = Template::parse(text, at(text)).unwrap_err();
        assert_eq!(
            (error.span.start, error.message.as_str()),
            (start, message),
            "{text}"
        );
    }
}

#[test]
fn growing_a_list_by_itself_ends_in_an_error() {
    let text = "[l, l]";
    let expr = Expr::parse(text, at(text)).unwrap();
    let mut env = env();
    let mut rounds = 0;
    while let Ok(longer) = expr.eval(&env) {
        env.set("l", longer);
        rounds += 1;
    }
    assert!(rounds < 40);
}

/// Expressions as text, a few levels deep.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..1000_i64).prop_map(|n| n.to_string()),
        (0.0..1e20).prop_map(|x: f64| Value::Float(x).repr()),
        "[a-c]",
        "\\PC{0,4}".prop_map(|s| Value::Str(s).repr()),
        Just("None".to_owned()),
        Just("True".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = prop::sample::select(vec![
            "+", "-", "*", "/", "//", "%", "and", "or", "<", "<=", "==", "!=", "in", "not in",
            "is", "is not",
        ]);
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (prop::sample::select(vec!["-", "+", "not "]), inner.clone())
                .prop_map(|(op, a)| format!("({op}{a})")),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|v| format!("[{}]", v.join(", "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|v| format!("({})", v.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            inner.prop_map(|a| format!("len({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn evaluating_never_panics(text in expression()) {
        let _ = eval(&text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*", start in 0_usize..10, len in 0_usize..10) {
        let _ = eval(&text);
        let _ = Expr::parse(&text, Span { start, end: start + len });
        if let Ok(template) = Template::parse(&text, at(&text)) {
            let _ = template.render(&env());
        }
        let _ = super::call(&text, at(&text));
        let _ = super::for_each(&text, at(&text));
    }

    #[test]
    fn no_soup_of_tokens_makes_the_parser_panic(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "[", "]", "{", "}", ",", ":", "!", "+", "-", "%", "'", "\"", "\\", " ", "1", ".",
            "e", "i", "l", "not", "in", "is", "len", "range", "=", "<", "堵", "0x", "_",
        ]), 0..40)
    ) {
        let text = tokens.concat();
        let _ = eval(&text);
        if let Ok(template) = Template::parse(&text, at(&text)) {
            let _ = template.render(&env());
        }
    }
}
