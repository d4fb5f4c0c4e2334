//! The command that repeats a run, fit for a shell.

use spec_harness::interp::Deviations;

use super::select::Chosen;

/// What runs this case on these implementations again, by the same order of same-instant events.
pub(super) fn command(
    chosen: &Chosen,
    on: &[&str],
    order: Option<&Deviations>,
    repeat: u32,
) -> String {
    let mut command = "spec-harness run ".to_owned();
    if chosen.built_in() {
        command += "--exact ";
    }
    command += &format!(
        "{} --on {}",
        quoted(&chosen.argument),
        quoted(&on.join(","))
    );
    if let Some(order) = order.filter(|order| !order.is_empty()) {
        command += &format!(" --order {order}");
    }
    if repeat > 1 {
        command += &format!(" --repeat {repeat}");
    }
    command
}

/// A word as a shell takes it for one.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_means_something_to_a_shell_is_quoted() {
        assert_eq!(quoted("thread:./mine.py"), "thread:./mine.py");
        assert_eq!(quoted("it's mine.yaml"), "'it'\\''s mine.yaml'");
        assert_eq!(quoted(""), "''");
    }
}
