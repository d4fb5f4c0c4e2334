//! The reference page of the case language, in Markdown.

use std::fmt::Write;

use super::expression::{BRACES, FUNCTIONS, WAYS, Way};
use super::{
    ABILITIES, BESIDE, BRANCHES, CLAIM, DOCUMENT, ERRORS, EXPECT, FATES, FORMS, Form, LINE, Named,
    OPERATIONS, POOL, RAISE, Shape, WORKERS, Word,
};

const HEAD: &str = "# The case language, version 1

<!-- printed by `spec-harness schema --reference`; a test keeps it current -->

A case is one YAML file: functions that workers run, a program that uses pools of such workers, and what must be seen. It is
replayed on any pool in virtual time, so `sleep: 1` costs nothing and means exactly 1. [Your first case](FIRST-CASE.md) writes one.

Every entry below says what stands behind the word, what it says, and shows it in use. An editor that reads JSON Schemas
completes and checks case files as they are written: begin the file with

```yaml
# yaml-language-server: $schema=case.schema.json
```

with the path of [case.schema.json](case.schema.json) (`spec-harness schema` prints it).
What a schema cannot know, names, numbers of arguments and whether what is expected is what happens, says `spec-harness check`.

";

const YAML: &str = "## YAML

- The file is UTF-8, one document, at most 1 MiB; lists and mappings are at most 40 deep.
- There are no anchors and aliases (`&a`, `*a`); text that begins with such a character stands in quotes.
- Text that contains `: ` or ` #`, or begins with `{` or `[`, stands in quotes: `\"{i} is done\"`.
- A printed line and an expected one are text as it stands: `ending`. What stands behind `return`, `set`, `let`, `over`, `check` is an
  expression: text in it has quotes of its own, inside of YAML's: `return: \"'done'\"`.
- This is YAML 1.2, in which `on` is text. A loader of YAML 1.1, such as PyYAML, reads the key `on` as `true`, and `yes`, `no` and `off`
  as truth values: who reads cases by one takes the key `True` for `on`.

";

const TIME: &str = "## Time

One unit is a second of the program that is told. `{clock}` is the time since main began. Nothing but `sleep`, `work` and
timeouts takes time. What happens in one instant happens in this order: who has waited longest for the instant, main before
threads before tasks, earlier submissions first. Results should not depend on that; where they do, `check` says so.

";

/// The page.
pub fn reference() -> String {
    let mut page = Page(HEAD.to_owned());
    page.0 += YAML;
    page.0 += TIME;
    page.section("A case file", "The keys of the file.");
    page.words(DOCUMENT);
    page.section(
        "Operations",
        "The items of a function's body. Each is one key, or one word where it has no value.",
    );
    page.words(OPERATIONS);
    page.part("Beside `if`", BRANCHES);
    page.part("The keys of `raise`", RAISE);
    page.section(
        "Steps",
        "The items of `main`: one key that says what is done, and keys beside it. A step that calls a pool may say `takes`, \
         `raises` and `blocks`, and `in` which thread it is done.",
    );
    for form in FORMS {
        page.form(form);
    }
    page.part("The keys of a pool", POOL);
    page.section(
        "Keys beside a step",
        "They stand under the step's own key, without a `- ` of their own.",
    );
    page.words(BESIDE);
    page.section("Expectations", "The keys of `expect`.");
    page.words(EXPECT);
    page.part("A group of lines", LINE);
    page.part("The keys of `workers`", WORKERS);
    page.part("The keys of a claim", CLAIM);
    page.0 += "Inside of an expected line `{worker}` stands for the name of any one worker.\n\n";
    page.0 += "### Fates\n\n";
    page.named("fate", &FATES.map(|(_, named)| named));
    page.section(
        "Expressions",
        "A subset of Python's. YAML's numbers, truth values and lists are expressions too. Everywhere there is `clock`, in a \
         body also its parameters, `worker` (`w0`, `w1`, ...), the worker that runs it, and `worker_name`, what that calls itself.",
    );
    page.ways("expression", WAYS);
    page.0 += "### Functions\n\n";
    page.ways("call", FUNCTIONS);
    page.0 +=
        "### Text with expressions\n\nWhat `print`, `panic` and the message of `raise` say.\n\n";
    page.ways("text", BRACES);
    page.section(
        "Errors",
        "What `raises` can name, beside the errors that tasks raise. Every pool has them, whatever its language calls them.",
    );
    page.named("error", ERRORS);
    page.section(
        "Abilities",
        "What `needs` can name. An implementation says which it has; a case that needs another is not applicable to it. \
         What the steps and operations of a case imply need not be said.",
    );
    page.named("ability", ABILITIES);
    page.0.truncate(page.0.trim_end().len());
    page.0.push('\n');
    page.0
}

struct Page(String);

impl Page {
    // Writing to a String cannot fail: the results of `write!` are of no interest.

    fn section(&mut self, title: &str, says: &str) {
        let _ = write!(self.0, "## {title}\n\n{says}\n\n");
    }

    /// Words that stand inside of one of the section's.
    fn part(&mut self, title: &str, words: &[Word]) {
        let _ = write!(
            self.0,
            "### {title}\n\n| key | value | says | example |\n|---|---|---|---|\n"
        );
        for word in words {
            let _ = writeln!(
                self.0,
                "| `{}` | {} | {} | `{}` |",
                word.name,
                word.shape.title(),
                word.says,
                word.example.replace('\n', " ")
            );
        }
        self.0.push('\n');
    }

    fn words(&mut self, words: &[Word]) {
        for word in words {
            self.word(word, "");
        }
    }

    fn word(&mut self, word: &Word, more: &str) {
        let value = match word.shape {
            Shape::Nothing => "one word".to_owned(),
            shape => shape.title().to_owned(),
        };
        let _ = write!(
            self.0,
            "### `{}`\n\n{value}: {}.{more}\n\n```yaml\n{}\n```\n\n",
            word.name, word.says, word.example
        );
    }

    fn form(&mut self, form: &Form) {
        // What every call of a pool may say is said once, at the top.
        let common = ["takes", "raises", "blocks", "in"];
        let must = form.required();
        let beside: Vec<String> = form
            .others()
            .into_iter()
            .filter(|key| !common.contains(key))
            .map(|key| match must.contains(&key) {
                true => format!("`{key}` (needed)"),
                false => format!("`{key}`"),
            })
            .collect();
        let more = match &beside[..] {
            [] => String::new(),
            keys => format!(" Beside it: {}.", keys.join(", ")),
        };
        self.word(&form.word, &more);
    }

    fn named(&mut self, what: &str, table: &[Named]) {
        let _ = write!(self.0, "| {what} | means |\n|---|---|\n");
        for named in table {
            let _ = writeln!(self.0, "| `{}` | {} |", named.name, named.says);
        }
        self.0.push('\n');
    }

    fn ways(&mut self, what: &str, ways: &[Way]) {
        let _ = write!(self.0, "| {what} | gives | for |\n|---|---|---|\n");
        for way in ways {
            let _ = writeln!(
                self.0,
                "| `{}` | `{}` | {} |",
                way.example, way.gives, way.says
            );
        }
        self.0.push('\n');
    }
}
